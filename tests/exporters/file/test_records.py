"""Records as other programs read them, and what a killed collector leaves of one."""

import io
import logging
import shutil
import struct
from pathlib import Path
from typing import Literal

import pytest
from record_files import span_names, started

from collector.errors import StartError
from collector.testing import make_spans
from exporters.file import FileConfig
from exporters.file.config import CompressionParams
from exporters.file.records import Records

KINDS = [
    ("json", ""),
    ("proto", ""),
    ("json", "gzip"),
    ("proto", "gzip"),
    pytest.param("json", "zstd", marks=pytest.mark.skipif(not shutil.which("zstd"), reason="there is no zstd here")),
    pytest.param("proto", "zstd", marks=pytest.mark.skipif(not shutil.which("zstd"), reason="there is no zstd here")),
]
kinds = pytest.mark.parametrize(("format", "compression"), KINDS)


async def write(path: Path, first: int, count: int, **options: object) -> None:
    """Start, write `count` batches of one span, and stop."""
    file = await started(path, **options)
    for n in range(first, first + count):
        await file.export(make_spans(1, first=n))
    await file.shutdown()


@kinds
async def test_every_record_is_read_back(tmp_path: Path, format: str, compression: str) -> None:
    """With protobuf and JSON of other people, all spans in order."""
    path = tmp_path / "spans"

    await write(path, 0, 5, format=format, compression=compression)

    assert span_names(path, format, compression) == [f"span {n}" for n in range(5)]


def test_a_record_of_protobuf_is_its_length_and_the_request() -> None:
    """Big-endian, as files of the Go collector."""
    batch = make_spans(3)

    record = Records(FileConfig(path="spans", format="proto")).encode(batch)

    assert record == struct.pack(">I", batch.size) + batch.encode()


@pytest.mark.parametrize(("compression", "fast", "small"), [("gzip", 1, 9), ("zstd", 1, 19)])
def test_a_higher_level_takes_less_room(compression: Literal["gzip", "zstd"], fast: int, small: int) -> None:
    """`compression_params` reach the encoding."""

    def size(level: int) -> int:
        config = FileConfig(path="x", compression=compression, compression_params=CompressionParams(level=level))
        return len(Records(config).encode(make_spans(2000)))

    assert size(small) < size(fast)


@kinds
@pytest.mark.parametrize("left", [1, 3, 4, 5, -1])
async def test_what_was_torn_is_cut_off_at_the_next_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, format: str, compression: str, left: int
) -> None:
    """A collector was killed while it wrote: what was whole stays, what comes next is read as well."""
    path = tmp_path / "spans"
    options = {"format": format, "compression": compression}
    await write(path, 0, 2, **options)
    torn = Records(FileConfig(path="x", **options)).encode(make_spans(1))[:left]  # type: ignore[arg-type]
    with path.open("ab") as file:
        file.write(torn)

    with caplog.at_level(logging.WARNING):
        await write(path, 2, 1, append=True, **options)

    assert span_names(path, format, compression) == ["span 0", "span 1", "span 2"]
    assert caplog.messages == [f"cut the last {len(torn)} bytes off {path}: a record that was not finished"]


@kinds
async def test_zeros_of_a_power_cut_are_cut_off(tmp_path: Path, format: str, compression: str) -> None:
    """File systems leave them where a write was under way."""
    path = tmp_path / "spans"
    options = {"format": format, "compression": compression}
    await write(path, 0, 1, **options)
    with path.open("ab") as file:
        file.write(bytes(5000))

    await write(path, 1, 1, append=True, **options)

    assert span_names(path, format, compression) == ["span 0", "span 1"]


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (("json", ""), ("proto", ""), "holds json lines records, and proto was to follow; move it away"),
        (("proto", ""), ("json", ""), "holds other records, and json lines was to follow; move it away"),
        (("proto", "gzip"), ("proto", ""), "holds gzip records, and proto was to follow; move it away"),
        (("json", "zstd"), ("json", "gzip"), "holds zstd records, and gzip was to follow; move it away"),
        (("proto", ""), ("proto", "zstd"), "holds other records, and zstd was to follow; move it away"),
    ],
)
async def test_mixes_no_kinds_of_records(
    tmp_path: Path, before: tuple[str, str], after: tuple[str, str], message: str
) -> None:
    """Nobody could read the file, and its end looks torn: it is left as it is."""
    path = tmp_path / "spans"
    await write(path, 0, 1, format=before[0], compression=before[1])
    content = path.read_bytes()

    with pytest.raises(StartError) as caught:
        await started(path, append=True, format=after[0], compression=after[1])

    assert str(caught.value) == f"path: {path} {message}"
    assert path.read_bytes() == content


def test_finds_the_last_line_end_in_a_long_file() -> None:
    """A torn line may be longer than what is read at a time."""
    records = Records(FileConfig(path="spans"))
    for whole, torn in ((b"", b"x" * 200_000), (b"{}\n", b"x" * 200_000), (b"{}\n" * 70_000, b"x" * 65_535)):
        content = whole + torn
        assert records.whole(io.BytesIO(content), len(content)) == len(whole)
