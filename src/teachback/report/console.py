"""The two streams of a command: results go to stdout, all else to stderr."""

import json
from collections.abc import Callable, Iterable
from typing import TypeVar

from rich.console import Console

_Value = TypeVar("_Value")

# soft_wrap: other programs read the lines too, so none is cut.
stdout = Console(soft_wrap=True, highlight=False, markup=False, emoji=False)
stderr = Console(
    stderr=True, soft_wrap=True, highlight=False, markup=False, emoji=False
)


def print_lines(lines: Iterable[str], console: Console = stdout) -> None:
    for line in lines:
        console.print(line)


def print_json(value: object) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False))


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
