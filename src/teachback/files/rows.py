"""Rows of a file, a folder or a pattern such as data/train-*.parquet, with their places."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from .arrow_rows import read_arrow, read_parquet
from .collector import paused_collector
from .content import read_content, source_stem
from .csv_rows import read_csv
from .find_files import find_files
from .json_rows import read_json_rows
from .row_format import RowFormat, find_format
from .source_rows import FileRow, SourceRows

# reader(content, path): path is for errors.
READERS: Mapping[RowFormat, Callable[[bytes, Path], SourceRows]] = {
    "JSON": read_json_rows,
    "CSV": read_csv,
    "Parquet": read_parquet,
    "Arrow": read_arrow,
}


@dataclass(frozen=True)
class FileRows:
    """The rows of one or more files, in order of the files' names."""

    # Without the endings: the start of the ids of rows that have none.
    stem: str
    sources: tuple[SourceRows, ...]

    @property
    def rows(self) -> list[FileRow]:
        return [row for source in self.sources for row in source.rows]

    @property
    def places(self) -> Iterator[str]:
        """Of each row, for errors: "my.csv, line 7, row 3"."""
        for source in self.sources:
            yield from (source.place(number) for number in range(len(source.rows)))

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know of how the files were read, each once."""
        notes = (note for source in self.sources for note in source.notes)
        return tuple(dict.fromkeys(notes))


def read_rows(path: Path) -> FileRows:
    """Raises DataError for what can't be read, MissingPackages for a format that needs pyarrow."""
    sources = tuple(read_source(file) for file in find_files(path))
    return FileRows(source_stem(path), sources)


def read_source(path: Path) -> SourceRows:
    content = read_content(path)
    with paused_collector():
        return READERS[find_format(path, content)](content, path)
