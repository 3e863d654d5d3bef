"""Markdown in which texts from elsewhere stand as they are: no link, picture, HTML or heading."""

import json
import re
from collections.abc import Iterator, Sequence

from ...errors import escape_controls
from ...report.diagnosis.words import shorten_text

# What could begin markup in the middle of a line, and the dollar of formulas.
MARKUP = re.compile(r"[\\`*_\[\]|~$#!]")
BACKTICKS = re.compile("`{3,}")
MAX_EXAMPLE_CHARS = 1500  # of a text in an example


def escape_markdown(text: str) -> str:
    """The text within one line."""
    line = " ".join(escape_controls(text).split())
    line = MARKUP.sub(r"\\\g<0>", line)
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def format_table(
    columns: Sequence[str], rows: Sequence[Sequence[object]]
) -> Iterator[str]:
    """Every cell is a text from elsewhere. No rows: no table."""
    if not rows:
        return
    yield format_table_line(columns)
    yield f"|{'---|' * len(columns)}"
    yield from map(format_table_line, rows)
    yield ""


def format_table_line(cells: Sequence[object]) -> str:
    return f"| {' | '.join(escape_markdown(str(cell)) for cell in cells)} |"


def format_code(text: str, language: str) -> Iterator[str]:
    """A block that no line of the text can end."""
    text = escape_controls(text).strip("\n")
    longest = max(map(len, BACKTICKS.findall(text)), default=2)
    fence = "`" * (longest + 1)
    yield f"{fence}{language}"
    yield text
    yield fence
    yield ""


def format_example(value: object) -> Iterator[str]:
    """A value as JSON, with the beginning and the end of long texts."""
    text = json.dumps(shorten_texts(value), ensure_ascii=False, indent=1)
    if escape_controls(text) != text:
        text = json.dumps(shorten_texts(value), indent=1)
    yield from format_code(text, "json")


def shorten_texts(value: object) -> object:
    if isinstance(value, str):
        return shorten_text(value, MAX_EXAMPLE_CHARS)
    if isinstance(value, dict):
        return {key: shorten_texts(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shorten_texts(inner) for inner in value]
    return value
