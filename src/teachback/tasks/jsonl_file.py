"""Reads users' JSONL files strictly, so that every error names the file and the line."""

import codecs
import json
import math
from pathlib import Path

from ..errors import DataError


def read_jsonl(path: Path) -> list[dict[str, object]]:
    r"""The objects of a JSONL file, one per line; blank lines are skipped.

    UTF-8, with or without a byte order mark. Lines end at "\n" only: str.splitlines would cut a
    text at U+2028. Raises DataError for a file that can't be read, and for a line that is not a
    JSON object. Infinite numbers and lone surrogates are refused: they can't be written again.
    """
    try:
        content = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    except OSError as error:
        raise DataError(
            f"{path}: can't be read",
            got=error.strerror or error,
            fix="check the path",
        ) from error

    rows = []
    for number, line in enumerate(content.split(b"\n"), start=1):
        if line.strip():
            rows.append(_read_line(line, path, number))
    return rows


def _read_line(line: bytes, path: Path, number: int) -> dict[str, object]:
    try:
        row = json.loads(
            line.decode("utf-8"),
            parse_constant=_finite_float,
            parse_float=_finite_float,
        )
        if b"\\u" in line:  # an escape may stand for a lone surrogate
            json.dumps(row, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{path}, line {number}: not JSON",
            got=error,
            allowed="one JSON object a line, in UTF-8",
        ) from error
    if not isinstance(row, dict):
        raise DataError(
            f"{path}, line {number}: not an object",
            got=type(row).__name__,
            allowed="one JSON object a line",
        )
    return row


def _finite_float(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(f"{number} is not a finite number")
    return value
