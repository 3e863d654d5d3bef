"""The two streams of a command: results go to stdout, all else to stderr.

Everything that a command prints goes through here, where control characters become escapes.
"""

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.text import Text

from ..errors import escape_controls, explain_disk_errors

_Value = TypeVar("_Value")

# Hidden characters of escape_controls that a JSON text may hold as they are.
JSON_HIDDEN = re.compile(r"[^\n -~]")


class EscapingConsole(Console):
    """A console for texts from elsewhere: rich itself lets escape sequences through."""

    def render_str(self, text: str, **options: Any) -> Text:
        """rich calls this for every text that it prints, those in tables included."""
        return super().render_str(escape_controls(text), **options)


# soft_wrap: other programs read the lines too, so none is cut.
stdout = EscapingConsole(soft_wrap=True, highlight=False, markup=False, emoji=False)
stderr = EscapingConsole(
    stderr=True, soft_wrap=True, highlight=False, markup=False, emoji=False
)


def print_lines(lines: Iterable[str], console: Console = stdout) -> None:
    for line in lines:
        console.print(line)


def print_json(value: object, indent: int | None = 1) -> None:
    r"""Print valid JSON. Characters that a terminal would obey or hide are \uXXXX in it."""
    text = json.dumps(value, ensure_ascii=False, indent=indent, allow_nan=False)
    print(JSON_HIDDEN.sub(_escape_json, text))


def write_json_lines(path: Path, values: Iterable[object]) -> None:
    """One value a line. Raises DiskError."""
    text = "\n".join(json.dumps(value, ensure_ascii=False) for value in values)
    with explain_disk_errors(path):
        path.write_text(f"{text}\n", encoding="utf-8")


def print_value(
    value: _Value,
    as_json: bool,
    to_facts: Callable[[_Value], object],
    to_lines: Callable[[_Value], Iterable[str]],
) -> None:
    if as_json:
        print_json(to_facts(value))
    else:
        print_lines(to_lines(value))


def _escape_json(match: re.Match[str]) -> str:
    character = match[0]
    if escape_controls(character) == character:
        return character
    return json.dumps(character)[1:-1]
