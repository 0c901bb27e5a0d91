"""Whatever is done to a configuration: it ends in a report, or in a collector that could run."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import yaml

from collector.config.loading import load
from collector.errors import ConfigError
from collector.pipeline import build

SHIPPED = Path(__file__).parents[2] / "collector.yaml"
DURABLE = """
extensions: {file_storage: {directory: /tmp}, basicauth: {client_auth: {username: a, password: b}}}
receivers: {otlp: {protocols: {grpc: {endpoint: "localhost:0"}, http: {auth: {authenticator: basicauth}}}}}
processors:
  transform: {trace_statements: [{context: span, statements: ['set(name, "x") where kind == 1']}]}
  redaction: {allow_all_keys: true, blocked_values: ["[0-9]{16}"], detectors: [email]}
exporters:
  otlp:
    endpoint: backend:4317
    auth: {authenticator: basicauth}
    sending_queue: {storage: file_storage, batch: {min_size: 10, sizer: items}}
    retry_on_failure: {max_elapsed_time: 0}
service:
  extensions: [file_storage, basicauth]
  pipelines: {traces: {receivers: [otlp], processors: [transform, redaction], exporters: [otlp]}}
"""
ODD = (
    *("", "~", "-1", "0", "1e400", "99999999999999999999", "5s", "-3ms", "yes", "[]", "{}", "[[[", "${env:", "${a:b}"),
    *("\x00", "é" * 50, "a" * 5000, "0x", "!!python/object:os.system x", "&a [*a]", "{a: {a: {a: 1}}}", "((((", "'"),
)


def mutated(text: str, dice: random.Random) -> str:
    """Change a text in a few places: letters, words, lines."""
    for _ in range(dice.randint(1, 4)):
        lines = text.splitlines()
        at = dice.randrange(len(lines))
        match dice.randrange(7):
            case 0:
                place = dice.randrange(len(text))
                text = text[:place] + chr(dice.choice([0, 9, 10, 34, 35, 39, 42, 58, 91, 123, 233])) + text[place + 1 :]
                continue
            case 1:
                del lines[at]
            case 2:
                lines.insert(at, lines[dice.randrange(len(lines))])
            case 3:
                key, colon, _ = lines[at].partition(":")
                lines[at] = f"{key}{colon} {dice.choice(ODD)}"
            case 4:
                lines[at] = " " * dice.randrange(4) + lines[at]
            case 5:
                words = lines[at].split(" ")
                words[dice.randrange(len(words))] = dice.choice(ODD)
                lines[at] = " ".join(words)
            case _:
                lines[at] = lines[at].replace(*dice.choice([("o", "0"), (":", ""), ("[", "{"), ("e", "")]))
        text = "\n".join(lines) or " "
    return text


@pytest.mark.parametrize("seed", range(8))
def test_a_mutated_configuration_is_a_report_or_a_collector(seed: int, tmp_path: Path) -> None:
    """Nothing else escapes, and each line of a report says where."""
    dice = random.Random(seed)
    file = tmp_path / "collector.yaml"
    texts = [SHIPPED.read_text(encoding="utf-8"), yaml.safe_dump(yaml.safe_load(DURABLE))]
    reports = []
    for _ in range(60):
        text = mutated(dice.choice(texts), dice)
        file.write_text(text, encoding="utf-8")
        try:
            build(load([str(file)]))
        except ConfigError as error:
            reports.append(str(error))
    assert reports
    assert all(report.strip() for report in reports)
