"""What a command asks on a terminal."""

import sys
from collections.abc import Sequence

import typer

from ..errors import ConfigError
from .console import stderr


def ask_choice(
    problem: str, choices: Sequence[str], reasons: Sequence[str], option: str
) -> str:
    """One of the choices. Elsewhere than on a terminal it raises ConfigError, with the reasons.

    option: the command's option that answers it beforehand.
    """
    because = "; ".join(reasons)
    if not sys.stdin.isatty():
        raise ConfigError(
            problem,
            got=because,
            allowed=" or ".join(choices),
            fix=", or ".join(f"{option} {choice}" for choice in choices),
        )
    stderr.print(because)
    name = option.removeprefix("--")
    answer = ""
    while answer not in choices:
        answer = typer.prompt(
            f"which {name}, {' or '.join(choices)}?", default=choices[0], err=True
        )
    return answer
