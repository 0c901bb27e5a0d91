"""`redaction`: delete attributes that are not allowed, and mask what is private in the others.

It works on the attributes of resources, scopes, spans and events; detectors look at links, names and statuses, too.
Without `allow_all_keys` it deletes every attribute that `allowed_keys` does not name. In the values that stay it masks
what patterns match and what detectors find; a detector knows one kind of private thing by its form and its check digits
(docs/detectors.md).

    processors:
      redaction:
        allow_all_keys: true
        blocked_key_patterns: [".*token.*", ".*api_key.*"]
        blocked_values: ["4[0-9]{12}(?:[0-9]{3})?"]
        summary: info

Spans of language models carry prompts, answers and tool calls, as JSON in a text or as lists and maps. Detectors look
inside both, and what comes out is valid JSON again; `truncate` cuts what is too large, the oldest messages first.

    processors:
      redaction/prompts:
        allow_all_keys: true
        detectors: [email, credit_card, iban, phone, jwt, openai_key, aws_key, private_key]
        truncate:
          max_bytes: 16384
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from msgspec import Meta

from collector import ops
from collector._kernel import Op, OpCounts
from collector.component import Settings, SpanOp
from collector.config.types import ANY_CASE, Config, FieldError
from collector.ledger import ProcessorAccount
from collector.telemetry.metrics import MetricKind, Sample

HashFunction = Annotated[Literal["", "md5", "sha1", "sha3", "hmac-sha256", "hmac-sha512"], ANY_CASE]

_KEY_BYTES = {"hmac-sha256": 32, "hmac-sha512": 64}
"""The least length of a key."""


class UrlSanitizer(Config):
    """URLs of which the parts that name one thing become `*`: `/v1/users/8213` is `/v1/users/*`."""

    enabled: bool = False
    """Whether it is on."""

    attributes: list[str] = []
    """Attributes whose values are URLs."""

    sanitize_span_name: bool = True
    """Whether names of client and server spans are treated likewise, if they look like requests over HTTP."""

    sanitize_log_body: bool = False
    """Taken and without effect: it is about logs."""


class DatabaseEngine(Config):
    """Queries of one kind of database."""

    enabled: bool = False
    """Whether it is on."""

    attributes: list[str] = []
    """Attributes whose values are queries. The span must name a database of this kind in `db.system.name`."""


class DatabaseSanitizer(Config):
    """Queries without the values in them: literals of SQL become `?`, arguments of commands go."""

    sql: DatabaseEngine = DatabaseEngine()
    """Other SQL, MySQL, PostgreSQL, MariaDB and SQLite."""
    redis: DatabaseEngine = DatabaseEngine()
    """Redis: the command stays."""
    valkey: DatabaseEngine = DatabaseEngine()
    """Valkey: the command stays."""
    memcached: DatabaseEngine = DatabaseEngine()
    """Memcached: the command stays."""
    mongo: DatabaseEngine = DatabaseEngine()
    """MongoDB: values in the JSON of a query become `?`."""
    opensearch: DatabaseEngine = DatabaseEngine()
    """OpenSearch: values in the JSON of a query become `?`."""
    es: DatabaseEngine = DatabaseEngine()
    """Elasticsearch: values in the JSON of a query become `?`."""

    sanitize_span_name: bool = True
    """Whether names of spans that name a database are treated likewise."""


class Truncation(Config):
    """Values that are too large are cut."""

    max_bytes: Annotated[int, Meta(ge=16)]
    """Bytes that a value may have: of a text its UTF-8, of a list or map its encoding. The size it had is noted beside
    it, in an attribute with the suffix `.original_bytes`."""


class RedactionConfig(Config):
    """Settings of the `redaction` processor."""

    allow_all_keys: bool = False
    """Whether attributes of all names stay. Otherwise those that `allowed_keys` does not name are deleted."""

    allowed_keys: list[str] = []
    """Names of attributes that stay. An empty list deletes all attributes, unless `allow_all_keys` is true."""

    ignored_keys: list[str] = []
    """Names of attributes that stay and that nobody looks into."""

    ignored_key_patterns: list[str] = []
    """The same by regular expressions."""

    blocked_key_patterns: list[str] = []
    """Regular expressions for names of attributes whose whole values are masked."""

    blocked_values: list[str] = []
    """Regular expressions for what is masked inside of values."""

    allowed_values: list[str] = []
    """Regular expressions for values of which nothing is masked, whatever else says so."""

    redact_all_types: bool = False
    """Whether values that are no strings are looked at by their text. Lists and maps are JSON then, and become a string
    if anything in it is masked. Detectors look inside them in any case, and leave them lists and maps."""

    hash_function: HashFunction = ""
    """What stands in place of something masked: its digest. `****` if empty."""

    hmac_key: str = ""
    """The key of `hmac-sha256` (32 bytes or more) and `hmac-sha512` (64). A secret: take it from the environment."""

    summary: str = "silent"
    """What is noted in attributes `redaction.…` beside those that were redacted: `debug` names and counts, `info`
    counts, and anything else nothing."""

    url_sanitizer: UrlSanitizer = UrlSanitizer()
    """Leaves out of URLs what names one thing."""

    db_sanitizer: DatabaseSanitizer = DatabaseSanitizer()
    """Leaves values out of queries."""

    detectors: list[str] = []
    """Names of detectors, each of which masks one kind of private thing: see docs/detectors.md. They look inside of
    lists, maps and JSON, and also at names and status messages of spans."""

    truncate: Truncation | None = None
    """Cuts values that are too large. JSON stays valid, and of a conversation the oldest messages go first."""

    def __post_init__(self) -> None:
        least = _KEY_BYTES.get(self.hash_function)
        if least is not None:
            length = len(self.hmac_key.encode())
            if not length:
                raise FieldError("hmac_key", f'must not be empty when hash_function is "{self.hash_function}"')
            if length < least:
                raise FieldError(
                    "hmac_key", f'must be at least {least} bytes long for "{self.hash_function}", got {length} bytes'
                )

    def __repr__(self) -> str:
        """Leave out what is secret."""
        return "RedactionConfig(…)"


class RedactionProcessor(SpanOp):
    """Deletes and masks attributes."""

    config_type = RedactionConfig
    config: RedactionConfig

    def __init__(self, config: RedactionConfig, settings: Settings[ProcessorAccount]) -> None:
        super().__init__(config, settings)
        self._counts: dict[str, int] = {}
        settings.metrics.register(
            "spanmill_processor_redaction_attributes",
            MetricKind.COUNTER,
            "Attributes by what the redaction processor did to them.",
            self._attributes,
        )
        settings.metrics.register(
            "spanmill_processor_redaction_findings",
            MetricKind.COUNTER,
            "What detectors of the redaction processor found and masked.",
            self._findings,
        )

    def ops(self) -> list[Op]:
        """One op."""
        return ops.build("redaction", [_op_settings(self.config)])

    def committed(self, counts: list[OpCounts]) -> None:
        """Add up what a pass did."""
        for count in counts:
            for name, number in count.tallies.items():
                if number:
                    self._counts[name] = self._counts.get(name, 0) + number

    def _attributes(self) -> Iterable[Sample]:
        for name, number in self._counts.items():
            if not name.startswith("detector/"):
                yield Sample({"processor": self.settings.id, "outcome": name}, number)

    def _findings(self) -> Iterable[Sample]:
        for name, number in self._counts.items():
            if name.startswith("detector/"):
                yield Sample({"processor": self.settings.id, "detector": name.removeprefix("detector/")}, number)


def _op_settings(config: RedactionConfig) -> dict[str, object]:
    """What the kernel is told."""
    plain = (
        "allow_all_keys",
        "allowed_keys",
        "ignored_keys",
        "ignored_key_patterns",
        "blocked_key_patterns",
        "blocked_values",
        "allowed_values",
        "redact_all_types",
        "hash_function",
        "hmac_key",
        "detectors",
    )
    settings: dict[str, object] = {name: getattr(config, name) for name in plain}
    settings["summary"] = config.summary if config.summary in ("debug", "info") else "silent"
    settings["truncate"] = config.truncate.max_bytes if config.truncate else None
    if (url := config.url_sanitizer).enabled:
        settings["url_sanitizer"] = {"attributes": url.attributes, "sanitize_span_name": url.sanitize_span_name}
    names = ("sql", "redis", "valkey", "memcached", "mongo", "opensearch", "es")
    engines = {name: getattr(config.db_sanitizer, name) for name in names}
    enabled = [{"engine": name, "attributes": engine.attributes} for name, engine in engines.items() if engine.enabled]
    if enabled:
        settings["db_sanitizer"] = {"engines": enabled, "sanitize_span_name": config.db_sanitizer.sanitize_span_name}
    return settings
