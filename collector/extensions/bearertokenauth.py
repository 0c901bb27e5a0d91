"""`bearertokenauth`: let requests in that bring a token, or send one with each.

One extension does both: named under `auth` of a receiver it asks for a token, under `auth` of an exporter it sends the
first one. A file may hold several tokens, a line each; it is read again when it changes.

    extensions:
      bearertokenauth:
        filename: /etc/spanmill/tokens
    receivers:
      otlp:
        protocols:
          http:
            auth:
              authenticator: bearertokenauth
    service:
      extensions: [bearertokenauth]
"""

from __future__ import annotations

from collector._kernel import Guard
from collector.auth import ClientAuthenticator, ServerAuthenticator
from collector.component import Host, Settings
from collector.config.types import Config, FieldError
from collector.errors import StartError
from collector.extensions.credentials import Watched
from collector.ledger import Account


class BearerTokenAuthConfig(Config):
    """Settings of the `bearertokenauth` extension."""

    header: str = "Authorization"
    """The header that holds the token."""
    scheme: str = "Bearer"
    """What stands before it; empty is nothing."""
    token: str = ""
    """The token. A secret: take it from the environment."""
    tokens: list[str] = []
    """Several, of which clients may bring any."""
    filename: str = ""
    """A file with tokens, a line each, which wins over the others."""

    def __post_init__(self) -> None:
        """Check what the fields' types cannot say."""
        if self.token and self.tokens:
            raise FieldError("tokens", "give either tokens or token, not both")
        if not (self.token or self.tokens or self.filename):
            raise FieldError("token", "is required, or tokens, or filename")
        if not self.header.isascii() or not self.header.replace("-", "").replace("_", "").isalnum():
            raise FieldError("header", f"must be the name of a header, got {self.header!r}")


class BearerTokenAuthExtension(ServerAuthenticator, ClientAuthenticator):
    """Knows tokens."""

    config_type = BearerTokenAuthConfig
    config: BearerTokenAuthConfig

    def __init__(self, config: BearerTokenAuthConfig, settings: Settings[Account]) -> None:
        super().__init__(config, settings)
        self._tokens = config.tokens or [config.token]
        self._guard = Guard(self._rules())
        files = {"filename": config.filename} if config.filename else {}
        self._watched = Watched(files, self._use, settings.logger)

    async def start(self, host: Host) -> None:
        """Read the file. Raises `StartError`."""
        self._watched.start()

    async def shutdown(self) -> None:
        """Read it no more."""
        self._watched.stop()

    @property
    def guard(self) -> Guard:
        """Asks for any of the tokens."""
        return self._guard

    @property
    def header(self) -> tuple[str, str]:
        """The first token."""
        scheme = f"{self.config.scheme} " if self.config.scheme else ""
        return self.config.header.lower(), scheme + self._tokens[0]

    def _use(self, texts: dict[str, str]) -> None:
        if (text := texts.get("filename")) is not None:
            tokens = [line.strip() for line in text.splitlines() if line.strip()]
            if not tokens:
                raise StartError(f"there is no token in {self.config.filename}", path="filename")
            if any(not token.isascii() or not token.isprintable() for token in tokens):
                raise StartError(f"a token in {self.config.filename} cannot stand in a header", path="filename")
            self._tokens = tokens
        self._guard.replace(self._rules())

    def _rules(self) -> dict[str, object]:
        config = self.config
        return {"bearer": {"header": config.header, "scheme": config.scheme, "tokens": self._tokens}}
