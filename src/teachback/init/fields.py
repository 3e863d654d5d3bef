"""The fields of a user's rows: columns, and what nested columns hold, each with its values."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Literal

from ..files.source_rows import FileRow
from ..tasks.cell_error import CellError
from ..tasks.cells import find_cell, parse_nested
from ..tasks.chat_turns import CHAT_PARTS, is_chat
from ..tasks.options import LABEL_KEYS, TEXT_KEYS

FieldKind = Literal["scalar", "list", "options", "chat", "other"]

# Columns are judged by so many rows, taken evenly from the file.
MAX_SAMPLE_ROWS = 2000
MAX_DEPTH = 2
Scalars = (str, int, float, bool, Decimal, date, datetime, time)
# Keys of an object that go by the name of its column: {"question": {"stem": …}}.
MAIN_KEYS = ("text", "value", "stem", "content")


@dataclass(frozen=True)
class Field:
    # As a task takes it: answers.text[0].
    path: str
    # By which its role is guessed: answers.
    name: str
    kind: FieldKind
    # One for each row that was looked at; None where the row has none.
    cells: tuple[object, ...]

    @property
    def values(self) -> list[object]:
        return [cell for cell in self.cells if cell is not None]

    @property
    def is_full(self) -> bool:
        return all(cell is not None and str(cell).strip() for cell in self.cells)


def sample_rows(rows: Sequence[FileRow]) -> Sequence[FileRow]:
    step = max(1, len(rows) // MAX_SAMPLE_ROWS)
    return rows[::step]


def list_fields(rows: Sequence[FileRow]) -> list[Field]:
    """In the order of the file. A column that is empty in every row is left out."""
    names = dict.fromkeys(name for row in rows for name in row)
    return [
        field
        for name in names
        if name != "meta"
        for field in fields_at(rows, name, name, 0)
    ]


def fields_at(
    rows: Sequence[FileRow], path: str, name: str, depth: int
) -> Iterator[Field]:
    """The fields of a column, or of what stands below it."""
    cells = tuple(read_field_cell(row, path) for row in rows)
    present = [cell for cell in cells if cell is not None]
    if not present:
        return
    kind = kind_of_cells(present)
    yield Field(path, name, kind, cells)
    if kind == "list" and all(isinstance(cell, list) for cell in present):
        first = tuple(
            cell[0] if isinstance(cell, list) and cell else None for cell in cells
        )
        if any(cell is not None for cell in first):
            yield Field(f"{path}[0]", name, "scalar", first)
    if kind == "chat":
        for part in CHAT_PARTS:
            yield from fields_at(rows, f"{path}.{part}", part, MAX_DEPTH)
    if kind == "other" and depth < MAX_DEPTH:
        for key in keys_of_objects(present):
            below = name if key in MAIN_KEYS else key
            yield from fields_at(rows, f"{path}.{key}", below, depth + 1)


def read_field_cell(row: FileRow, path: str) -> object:
    """A chat, an object or a list of objects that stands as JSON in a text is read."""
    try:
        cell = find_cell(row, path)
        nested = parse_nested(cell)
    except CellError:
        return row.get(path)
    if isinstance(nested, dict) or is_object_list(nested):
        return nested
    return cell


def kind_of_cells(cells: Sequence[object]) -> FieldKind:
    if all(isinstance(cell, Scalars) for cell in cells):
        return "scalar"
    if all(is_chat(cell) for cell in cells):
        return "chat"
    if all(is_labelled(cell) for cell in cells):
        return "options"
    if all(is_scalar_list(cell) for cell in cells):
        return "list"
    return "other"


def is_labelled(cell: object) -> bool:
    """Options with their labels, in one of the forms that `read_option_list` reads."""
    if isinstance(cell, list):
        return is_object_list(cell) and all(
            has_key(part, TEXT_KEYS) and has_key(part, LABEL_KEYS) for part in cell
        )
    if not isinstance(cell, Mapping):
        return False
    if has_key(cell, TEXT_KEYS) and has_key(cell, LABEL_KEYS):
        lists = [cell[key] for key in (*TEXT_KEYS, *LABEL_KEYS) if key in cell]
        return all(isinstance(part, list) for part in lists)
    is_lettered = all(len(key) == 1 and key.isalnum() for key in cell)
    return (
        is_lettered
        and len(cell) > 1
        and all(part is None or isinstance(part, Scalars) for part in cell.values())
    )


def has_key(cell: Mapping[str, object], keys: Sequence[str]) -> bool:
    return any(key in cell for key in keys)


def is_object_list(cell: object) -> bool:
    return (
        isinstance(cell, list) and bool(cell) and all(isinstance(p, dict) for p in cell)
    )


def is_scalar_list(cell: object) -> bool:
    return isinstance(cell, list) and all(
        part is None or isinstance(part, Scalars) for part in cell
    )


def keys_of_objects(cells: Sequence[object]) -> list[str]:
    objects = [cell for cell in cells if isinstance(cell, dict)]
    return list(dict.fromkeys(str(key) for cell in objects for key in cell))


def find_field(fields: Sequence[Field], path: str | None) -> Field | None:
    return next((field for field in fields if field.path == path), None)
