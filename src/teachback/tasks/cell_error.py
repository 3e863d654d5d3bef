"""The error of a cell that can't be read. Its place is added where the row is known."""


class CellError(ValueError):
    """What is wrong with a cell, as the end of "the column 'x' …"."""

    def __init__(self, what: str, allowed: str | None = None) -> None:
        super().__init__(what)
        self.allowed = allowed
