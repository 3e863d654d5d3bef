"""What a command asks on a terminal before it does something that it can't take back."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from ..config.config import Config
from ..errors import ConfigError
from ..export.hub.push import HubUpload, describe_upload
from ..plan.make import make_plan
from ..plan.render import format_plan
from ..report.console import print_lines, stderr
from ..report.questions import ask_choice

if TYPE_CHECKING:
    from ..init import GraderGuess


def ask_grader(guess: "GraderGuess") -> str:
    problem = "two graders fit about equally"
    return ask_choice(problem, guess.graders, guess.evidence, "--grader")


def ask_before_spending(config: Config, runs: int = 1) -> None:
    """Asks on a terminal whether a run with a known price may start.

    Elsewhere nobody can answer. There the budget, which a priced teacher must have, is consent.
    """
    if not config.priced_roles() or not sys.stdin.isatty():
        return
    print_lines(format_plan(make_plan(config, 0)), stderr)
    times = ""
    if runs > 1:
        times = f", {runs} times (answers that runs share are bought once)"
    typer.confirm(f"Start, and spend up to that{times}?", abort=True, err=True)


def ask_before_pushing(uploads: Sequence[HubUpload]) -> None:
    """Shows what would be pushed. Raises ConfigError where nobody can answer."""
    for upload in uploads:
        print_lines(describe_upload(upload), stderr)
    if not sys.stdin.isatty():
        raise ConfigError(
            "nothing was pushed: nobody here can answer",
            got="no terminal, and no --yes",
            fix="read what is above, then add --yes",
        )
    typer.confirm("Push this?", abort=True, err=True)
