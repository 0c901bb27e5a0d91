"""Connections that went wrong: HTTP/2 frames out of order, floods and bombs, HTTP/1.1 that lies about its length."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from testbed.hostile.frames import (
    END_HEADERS,
    END_STREAM,
    PREFACE,
    Frame,
    Type,
    conversation,
    headers,
    literal,
)
from testbed.hostile.mutations import mutate

GRPC = ("/opentelemetry.proto.collector.trace.v1.TraceService/Export", "application/grpc")
HTTP = ("/v1/traces", "application/x-protobuf")


def connection(message: bytes, chance: Random) -> bytes:
    """Make all bytes that a hostile client sends on a connection."""
    path, content_type = chance.choice((GRPC, HTTP))
    if chance.random() < 0.2:
        return _http1(message, path, content_type, chance)
    frames = conversation(message, path, content_type, framed=content_type == GRPC[1])
    for _ in range(chance.randint(0, 3)):
        _derange(frames, chance)
    data = PREFACE + b"".join(frame.encode() for frame in frames)
    return mutate(data, chance) if chance.random() < 0.4 else data


def _derange(frames: list[Frame], chance: Random) -> None:
    """Do one thing to a conversation that nobody should."""
    at = chance.randrange(len(frames) or 1)
    if frames and chance.random() < 0.7:
        chance.choice(_WRONGS)(frames, at, chance)
    else:
        frames[at:at] = chance.choice(_FLOODS)(chance)


def _drop(frames: list[Frame], at: int, chance: Random) -> None:
    del frames[at]


def _swap(frames: list[Frame], at: int, chance: Random) -> None:
    other = chance.randrange(len(frames))
    frames[at], frames[other] = frames[other], frames[at]


def _repeat(frames: list[Frame], at: int, chance: Random) -> None:
    frames[at:at] = [frames[at]] * chance.choice((1, 2, 50))


def _restream(frames: list[Frame], at: int, chance: Random) -> None:
    frames[at].stream = chance.choice((0, 1, 2, 3, 7, 1 << 31, (1 << 31) - 1))


def _retype(frames: list[Frame], at: int, chance: Random) -> None:
    frames[at].type = chance.randrange(12)


def _reflag(frames: list[Frame], at: int, chance: Random) -> None:
    frames[at].flags ^= 1 << chance.randrange(8)


def _lie(frames: list[Frame], at: int, chance: Random) -> None:
    frames[at].length = chance.choice((0, 1, len(frames[at].payload) + 1, 16_385, 0xFF_FFFF))


def _garble(frames: list[Frame], at: int, chance: Random) -> None:
    frames[at].payload = mutate(frames[at].payload, chance)


_WRONGS: tuple[Callable[[list[Frame], int, Random], None], ...] = (
    _drop,
    _swap,
    _repeat,
    _restream,
    _retype,
    _reflag,
    _lie,
    _garble,
)


def _settings_flood(chance: Random) -> list[Frame]:
    return [Frame(Type.SETTINGS, 0, 0, b"\x00\x03\x00\x00\x00\x01")] * chance.choice((10, 2000))


def _ping_flood(chance: Random) -> list[Frame]:
    return [Frame(Type.PING, 0, 0, b"floodfld")] * chance.choice((10, 2000))


def _rapid_reset(chance: Random) -> list[Frame]:
    head = headers(*GRPC)
    return [
        frame
        for stream in range(101, 101 + 2 * chance.choice((5, 300)), 2)
        for frame in (
            Frame(Type.HEADERS, END_HEADERS, stream, head),
            Frame(Type.RST_STREAM, 0, stream, (8).to_bytes(4, "big")),
        )
    ]


def _continuations(chance: Random) -> list[Frame]:
    more = [Frame(Type.CONTINUATION, 0, 201, literal("x", "y" * 100))] * chance.choice((10, 1000))
    return [Frame(Type.HEADERS, 0, 201, headers(*GRPC)), *more]


def _header_bomb(chance: Random) -> list[Frame]:
    """A header of 4,000 bytes goes into the table, and a byte for each repetition brings it out again."""
    entry = literal("bomb", "x" * 3_900, kept=True)
    return [Frame(Type.HEADERS, END_HEADERS | END_STREAM, 301, headers(*GRPC) + entry + b"\xbe" * 8_000)]


def _windows(chance: Random) -> list[Frame]:
    step = chance.choice((0, 1, (1 << 31) - 1)).to_bytes(4, "big")
    return [Frame(Type.WINDOW_UPDATE, 0, chance.choice((0, 1)), step)] * chance.choice((1, 500))


def _empty_data(chance: Random) -> list[Frame]:
    head = Frame(Type.HEADERS, END_HEADERS, 401, headers(*GRPC))
    return [head, *[Frame(Type.DATA, 0, 401)] * chance.choice((10, 2000))]


_FLOODS: tuple[Callable[[Random], list[Frame]], ...] = (
    _settings_flood,
    _ping_flood,
    _rapid_reset,
    _continuations,
    _header_bomb,
    _windows,
    _empty_data,
)


def _http1(message: bytes, path: str, content_type: str, chance: Random) -> bytes:
    length = str(chance.choice((len(message), len(message) + 1, len(message) - 1, 0, -1, 1 << 40)))
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Type: {content_type}"]
    match chance.randrange(5):
        case 0:
            lines.append(f"Content-Length: {length}")
        case 1:
            lines += [f"Content-Length: {length}", "Transfer-Encoding: chunked"]
        case 2:
            lines += [f"Content-Length: {length}", f"Content-Length: {len(message)}"]
        case 3:
            lines += [f"X-{number}: {'y' * 100}" for number in range(chance.choice((5, 500)))]
        case 4:
            lines += ["Transfer-Encoding: chunked"]
            message = f"{len(message) + chance.choice((-1, 0, 1)):x}\r\n".encode() + message + b"\r\n0\r\n\r\n"
    data = "\r\n".join(lines).encode() + b"\r\n\r\n" + message
    return mutate(data, chance) if chance.random() < 0.5 else data
