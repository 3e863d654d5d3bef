"""Reads Parquet and Arrow with pyarrow."""

from pathlib import Path
from typing import Any

from ..errors import DataError, require_modules
from .content import ARROW_MODULES
from .source_rows import FileRow, SourceRows


def read_parquet(content: bytes, path: Path) -> SourceRows:
    require_modules("a Parquet file", ARROW_MODULES)
    import pyarrow
    from pyarrow import parquet

    try:
        table = parquet.read_table(pyarrow.BufferReader(content))
    except (pyarrow.ArrowException, OSError) as error:
        raise damaged_error(path, "Parquet", error) from error
    return SourceRows(path, rows_of_arrow(table))


def read_arrow(content: bytes, path: Path) -> SourceRows:
    """The file form (Feather is the same), or the stream form, which `datasets` writes."""
    require_modules("an Arrow file", ARROW_MODULES)
    import pyarrow

    is_stream = not content.startswith(b"ARROW1")
    open_ipc = pyarrow.ipc.open_stream if is_stream else pyarrow.ipc.open_file
    try:
        with open_ipc(pyarrow.BufferReader(content)) as reader:
            table = reader.read_all()
    except (pyarrow.ArrowException, OSError) as error:
        raise damaged_error(path, "Arrow", error) from error
    return SourceRows(path, rows_of_arrow(table))


def rows_of_arrow(table: Any) -> list[FileRow]:
    """As Python values: whole numbers and decimals of any size, and texts, as they are."""
    columns = {
        name: shortest_floats(column)
        for name, column in zip(table.column_names, table.columns, strict=True)
    }
    names = list(columns)
    cells = zip(*columns.values(), strict=True)
    return [dict(zip(names, values, strict=True)) for values in cells]


def shortest_floats(column: Any) -> list[Any]:
    """0.1 in 32 bits is 0.10000000149 in 64: its own shortest text is what was meant."""
    from pyarrow import types

    if types.is_float32(column.type) or types.is_float16(column.type):
        numbers = column.to_numpy()
        return [
            None if cell is None else float(str(number))
            for cell, number in zip(column.to_pylist(), numbers, strict=True)
        ]
    cells: list[Any] = column.to_pylist()
    return cells


def damaged_error(path: Path, form: str, error: Exception) -> DataError:
    return DataError(
        f"{path}: can't be read as {form}",
        got=str(error)[:200],
        fix="write or copy the file again",
    )
