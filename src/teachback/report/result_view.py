"""How a result shows itself: as a line, as a small table in a notebook, as data frames."""

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

from ..errors import ConfigError, escape_controls, require_modules

_Rows = Sequence[Mapping[str, object]]

MAX_SHOWN_ROWS = 20
MAX_SHOWN_CHARS = 200  # of a cell


class ResultView:
    """The base of what the functions of `teachback` return."""

    def describe(self) -> str:
        """The result in one line."""
        raise NotImplementedError

    def tables(self) -> Mapping[str, Callable[[], _Rows]]:
        """By name: what makes the rows of a data frame. The first is the default."""
        raise NotImplementedError

    def shown_rows(self) -> _Rows:
        """The rows of the small table."""
        return next(iter(self.tables().values()))()

    def to_pandas(self, table: str | None = None) -> Any:
        """A table of the result as a pandas DataFrame; None: the first of its tables.

        Raises ConfigError for a table that the result doesn't have.
        """
        tables = self.tables()
        name = next(iter(tables)) if table is None else table
        if name not in tables:
            raise ConfigError(
                f"a {type(self).__name__} has no such table",
                got=name,
                allowed=" or ".join(tables),
            )
        require_modules("to_pandas", ["pandas"])
        import pandas

        return pandas.DataFrame(tables[name]())

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {escape_controls(self.describe())}>"

    def _repr_html_(self) -> str:
        return render_html_table(self.describe(), self.shown_rows())


def render_html_table(caption: str, rows: _Rows) -> str:
    """Every text is escaped: questions and names come from elsewhere."""
    heads = "".join(f"<th>{to_html(name)}</th>" for name in (rows[0] if rows else ()))
    lines = [f"<p>{to_html(caption)}</p>", f"<table><tr>{heads}</tr>"]
    for row in rows[:MAX_SHOWN_ROWS]:
        cells = "".join(f"<td>{to_html(value)}</td>" for value in row.values())
        lines.append(f"<tr>{cells}</tr>")
    lines.append("</table>")
    n_hidden = len(rows) - MAX_SHOWN_ROWS
    if n_hidden > 0:
        lines.append(f"<p>and {n_hidden} more: <code>.to_pandas()</code></p>")
    return "\n".join(lines)


def to_html(value: object) -> str:
    if value is None:
        return "–"
    text = f"{value:.4g}" if isinstance(value, float) else escape_controls(str(value))
    if len(text) > MAX_SHOWN_CHARS:
        text = f"{text[:MAX_SHOWN_CHARS]}…"
    return escape(text)
