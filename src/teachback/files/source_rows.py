"""What a reader makes of one file: its rows, and where each of them stands."""

from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FileRow = Mapping[str, object]


@dataclass(frozen=True)
class SourceRows:
    path: Path
    rows: list[FileRow]
    # The line on which each row begins, where the format has lines.
    lines: "array[int] | None" = None
    # What the user should know of how it was read.
    notes: tuple[str, ...] = ()

    def place(self, index: int) -> str:
        """For errors: "my.csv, line 7, row 3". A line is named where it isn't the row's number."""
        number = index + 1
        if self.lines is None or self.lines[index] == number:
            return f"{self.path}, row {number}"
        return f"{self.path}, line {self.lines[index]}, row {number}"
