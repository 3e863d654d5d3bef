"""The bytes of a file, unpacked, and its name without the endings."""

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from ..errors import DataError, require_modules

Packing = Literal["gzip", "bzip2", "xz", "zstd"]

ARROW_MODULES = ("pyarrow",)
PACKING_ENDINGS = (".gz", ".bz2", ".xz", ".zst", ".zstd")
PACKING_STARTS: dict[bytes, Packing] = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
}
# Formats that hold no rows of text, by their first bytes.
FOREIGN_STARTS = {
    b"PK\x03\x04": "a ZIP archive, or an Excel file",
    b"\xd0\xcf\x11\xe0": "an old Excel or Word file",
    b"SQLite format 3": "an SQLite database",
    b"%PDF": "a PDF",
}


def source_stem(path: Path) -> str:
    """my.jsonl.gz → my. Ids of rows begin with it, so the format of a file doesn't matter."""
    packed = path.suffix.lower() in PACKING_ENDINGS
    return Path(path.stem).stem if packed else path.stem


def read_content(path: Path) -> bytes:
    """Raises DataError for a file that can't be read or unpacked, or holds no rows of text."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path}: can't be read",
            got=error.strerror or error,
            fix="check the path",
        ) from error
    for start, packing in PACKING_STARTS.items():
        if content.startswith(start):
            return unpack(content, packing, path)
    for start, what in FOREIGN_STARTS.items():
        if content.startswith(start):
            raise DataError(
                f"{path} is {what}",
                allowed="JSONL, JSON, CSV, TSV, Parquet or Arrow; packed as gzip or zstd",
                fix="unpack it, or save its table as CSV in UTF-8",
            )
    return content


def unpack(content: bytes, packing: Packing, path: Path) -> bytes:
    """Raises DataError for damaged bytes, MissingPackages for zstd without pyarrow."""
    unpackers: dict[Packing, Callable[[bytes], bytes]] = {
        "gzip": gzip.decompress,
        "bzip2": bz2.decompress,
        "xz": lzma.decompress,
        "zstd": unpack_zstd,
    }
    try:
        return unpackers[packing](content)
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
        raise DataError(
            f"{path}: can't be unpacked as {packing}",
            got=error,
            fix="copy the file again: it is cut off or damaged",
        ) from error


def unpack_zstd(content: bytes) -> bytes:
    require_modules("a file packed as zstd", ARROW_MODULES)
    import pyarrow

    # pyarrow's error for damaged bytes is an OSError.
    with pyarrow.CompressedInputStream(pyarrow.BufferReader(content), "zstd") as stream:
        return bytes(stream.read())
