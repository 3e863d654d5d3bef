"""Values, paths and comments as they stand in a YAML file that `init` writes."""

import os
from pathlib import Path

import yaml

# Where the comments of most lines begin, so that they stand in one column.
COMMENT_COLUMN = 25


def with_comment(line: str, comment: str, column: int = COMMENT_COLUMN) -> str:
    return f"{line:<{column}} # {comment}" if comment else line


def to_comment(text: str) -> str:
    """On one line, and without control characters, which YAML refuses even in a comment."""
    printable = (char if char.isprintable() else " " for char in text)
    return " ".join("".join(printable).split())


def quote_value(value: str) -> str:
    """A text as YAML, on one line, quoted where YAML would read it otherwise."""
    # YAML folds line breaks, unless they are escapes in double quotes.
    style = '"' if "\n" in value else None
    # As the only element of a list in brackets: alone, it would end in "...".
    text = yaml.safe_dump(
        [value],
        default_flow_style=True,
        default_style=style,
        allow_unicode=True,
        width=10**9,
    )
    return text.strip()[1:-1]


def quote_path(path: Path, config_path: Path) -> str:
    """Relative to the config's folder, from which a config's paths are read."""
    relative = os.path.relpath(path.absolute(), config_path.absolute().parent)
    # A leading "~" would be read as a home folder.
    return quote_value(str(path.absolute()) if relative.startswith("~") else relative)
