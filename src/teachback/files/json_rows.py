"""Reads JSON strictly: one object a line, an array of objects, or a table in an object."""

import codecs
import json
import math
import re
from array import array
from collections.abc import Iterator
from pathlib import Path

from ..errors import DataError
from .content import read_content
from .encodings import decode_marked, decode_strictly
from .source_rows import FileRow, SourceRows

WHITE_SPACE = re.compile(r"[ \t\n\r]*")
# Under these names a document holds its rows.
TABLE_NAMES = (
    "data",
    "rows",
    "examples",
    "items",
    "records",
    "instances",
    "questions",
    "train",
)
MIN_TABLE_COLUMNS = 2
ALLOWED_LINE = "one JSON object a line, in UTF-8"


class WrittenFloat(float):
    """A number that keeps the text of its file: `1.50` stays 1.50, not 1.5."""

    written: str

    def __new__(cls, written: str) -> "WrittenFloat":
        number = super().__new__(cls, written)
        if not math.isfinite(number):
            raise ValueError(f"{written} is not a finite number")
        number.written = written
        return number

    def __getnewargs__(self) -> tuple[str]:  # type: ignore[override]
        return (self.written,)

    def __str__(self) -> str:
        return self.written


DECODER = json.JSONDecoder(parse_float=WrittenFloat, parse_constant=WrittenFloat)


def read_jsonl(path: Path) -> list[FileRow]:
    r"""The objects of a JSONL file, one per line; blank lines are skipped.

    UTF-8, with or without a byte order mark. Lines end at "\n" only: str.splitlines would cut a
    text at U+2028. Raises DataError for a file that can't be read, and for a line that is not a
    JSON object. Infinite numbers and lone surrogates are refused: they can't be written again.
    """
    return read_lines(read_content(path), path).rows


def read_json_rows(content: bytes, path: Path) -> SourceRows:
    """JSONL, or a JSON document that holds rows. Raises DataError, as `read_jsonl` does."""
    notes: tuple[str, ...] = ()
    if not content.startswith(codecs.BOM_UTF8):
        text, notes = decode_marked(content, path)
        content = content if text is None else text.encode()
    content = content.removeprefix(codecs.BOM_UTF8)
    if content.lstrip().startswith(b"["):
        return read_document(content, path, notes)
    try:
        return read_lines(content, path, notes)
    except DataError as error:
        # An object over several lines looks like a broken line.
        first, *rest = content.strip().split(b"\n", 1)
        if not rest or not first.startswith(b"{") or is_object(first):
            raise
        try:
            return read_document(content, path, notes)
        except DataError:
            raise error from None


def read_lines(content: bytes, path: Path, notes: tuple[str, ...] = ()) -> SourceRows:
    rows: list[FileRow] = []
    lines = array("q")
    for number, line in enumerate(
        content.removeprefix(codecs.BOM_UTF8).split(b"\n"), start=1
    ):
        if line.strip():
            rows.append(read_line(line, path, number))
            lines.append(number)
    return make_source(path, rows, lines, notes)


def make_source(
    path: Path, rows: list[FileRow], lines: "array[int]", notes: tuple[str, ...]
) -> SourceRows:
    """A single object may be a table: columns, or a list of rows under one name."""
    table = rows_of_table(rows[0]) if len(rows) == 1 else None
    if table is not None:
        return SourceRows(path, table, notes=notes)
    return SourceRows(path, rows, lines, notes)


def read_line(line: bytes, path: Path, number: int) -> FileRow:
    try:
        text = line.decode("utf-8").strip()
        row = DECODER.decode(text)
        refuse_surrogates(row, text)
    except (ValueError, RecursionError) as error:
        raise json_error(path, number, error, ALLOWED_LINE) from error
    return check_object(row, path, number)


def is_object(line: bytes) -> bool:
    try:
        return isinstance(DECODER.decode(line.decode("utf-8").strip()), dict)
    except (ValueError, RecursionError):
        return False


def read_document(content: bytes, path: Path, notes: tuple[str, ...]) -> SourceRows:
    """The rows of one JSON value, or of objects one after the other, with their lines."""
    text = decode_strictly(content, "utf-8", path)
    rows: list[FileRow] = []
    lines = array("q")
    line = 1
    position = 0
    for start, row in iterate_json(text, path):
        line += text.count("\n", position, start)
        position = start
        rows.append(check_object(row, path, line))
        lines.append(line)
    return make_source(path, rows, lines, notes)


def iterate_json(text: str, path: Path) -> Iterator[tuple[int, object]]:
    """Each element of the array, or each value in a row, and where it begins.

    They are decoded one by one, so that an error names the line and no copy of all is made.
    """
    position = skip_white_space(text, 0)
    is_array = text.startswith("[", position)
    position += is_array
    is_first = True
    while True:
        position = skip_white_space(text, position)
        if is_array and text.startswith("]", position):
            break
        if not is_array and position == len(text):
            return
        if is_array and not is_first:
            if not text.startswith(",", position):
                raise document_error(text, position, path, "Expecting ',' delimiter")
            position = skip_white_space(text, position + 1)
        try:
            value, end = DECODER.raw_decode(text, position)
            refuse_surrogates(value, text[position:end])
        except json.JSONDecodeError as error:
            raise document_error(text, error.pos, path, error.msg) from error
        except (ValueError, RecursionError) as error:
            raise document_error(text, position, path, str(error)) from error
        yield position, value
        position = end
        is_first = False
    rest = skip_white_space(text, position + 1)
    if rest < len(text):
        raise document_error(text, rest, path, "more text behind the array")


def skip_white_space(text: str, position: int) -> int:
    match = WHITE_SPACE.match(text, position)
    return match.end() if match else position


def document_error(text: str, position: int, path: Path, reason: str) -> DataError:
    line = text.count("\n", 0, position) + 1
    return json_error(path, line, reason, "an array of JSON objects, in UTF-8")


def json_error(path: Path, line: int, reason: object, allowed: str) -> DataError:
    return DataError(f"{path}, line {line}: not JSON", got=reason, allowed=allowed)


def check_object(row: object, path: Path, line: int) -> FileRow:
    if not isinstance(row, dict):
        raise DataError(
            f"{path}, line {line}: not an object",
            got=type(row).__name__,
            allowed="JSON objects: one a line, or an array of them",
        )
    return row


def refuse_surrogates(value: object, text: str) -> None:
    r"""Raises ValueError for a lone surrogate, which an escape (\ud800) may stand for."""
    if "\\u" in text:
        json.dumps(value, ensure_ascii=False).encode("utf-8")


def rows_of_table(document: FileRow) -> list[FileRow] | None:
    """The rows of an object that holds a whole table; None for an object that is a row itself.

    {"version": 1, "data": [{…}, {…}]}; by columns, {"question": ["…", "…"], "answer": …}; or as
    pandas writes it, {"question": {"0": "…", "1": "…"}, "answer": …}.
    """
    for name in TABLE_NAMES:
        table = document.get(name)
        if isinstance(table, list) and is_row_list(table):
            return table
    columns: dict[str, list[object]] = {}
    for name, value in document.items():
        column = list(value.values()) if isinstance(value, dict) else value
        if not isinstance(column, list):
            return None
        columns[name] = column
    lengths = {len(column) for column in columns.values()}
    if len(columns) < MIN_TABLE_COLUMNS or len(lengths) != 1 or lengths <= {0, 1}:
        return None
    names = list(columns)
    cells_by_row = zip(*columns.values(), strict=True)
    return [dict(zip(names, cells, strict=True)) for cells in cells_by_row]


def is_row_list(values: list[object]) -> bool:
    return bool(values) and all(isinstance(row, dict) for row in values)
