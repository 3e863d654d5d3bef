"""In which format a file is: by its first bytes, then by its name, then by its text."""

from pathlib import Path
from typing import Literal

from .content import PACKING_ENDINGS

RowFormat = Literal["JSON", "CSV", "Parquet", "Arrow"]

# The stream form of Arrow begins with this mark, the file form with its name.
ARROW_STARTS = (b"ARROW1\x00\x00", b"\xff\xff\xff\xff")
PARQUET_START = b"PAR1"
FORMAT_OF_ENDING: dict[str, RowFormat] = {
    ".jsonl": "JSON",
    ".ndjson": "JSON",
    ".json": "JSON",
    ".csv": "CSV",
    ".tsv": "CSV",
    ".tab": "CSV",
    ".psv": "CSV",
    ".parquet": "Parquet",
    ".pq": "Parquet",
    ".arrow": "Arrow",
    ".feather": "Arrow",
    ".ipc": "Arrow",
}


def find_format(path: Path, content: bytes) -> RowFormat:
    """content: unpacked."""
    if content.startswith(PARQUET_START):
        return "Parquet"
    if content.startswith(ARROW_STARTS):
        return "Arrow"
    by_name = FORMAT_OF_ENDING.get(format_ending(path))
    if by_name:
        return by_name
    start = content.replace(b"\x00", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")[:1]
    return "JSON" if start in (b"{", b"[") else "CSV"


def format_ending(path: Path) -> str:
    """In small letters, and without that of the packing: my.CSV.gz → .csv"""
    endings = [ending.lower() for ending in path.suffixes]
    if endings and endings[-1] in PACKING_ENDINGS:
        endings.pop()
    return endings[-1] if endings else ""
