"""What a teacher is, and what an entry of `TEACHERS` is made from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from ..endpoints.settings import EndpointSettings
from ..ledger.costs import Cost
from ..ledger.ledger import Ledger
from ..ledger.settings import PriceSettings
from ..types import (
    Attempt,
    Draft,
    Example,
    Pick,
    PositiveInt,
    Reserve,
    Row,
    Settings,
    Task,
)


@dataclass(frozen=True)
class Teacher:
    """Writes new questions and answers. Every call goes through the ledger."""

    # prices(pairs): the most that each pair can cost, (seed, n) being the n-th pair of a seed.
    prices: Callable[[Sequence[tuple[Example, int]]], list[Cost]]
    # generate(round, picks, attempts): drafts in the picks' order. Picks that the budget can't
    # pay for are left out. attempts: the student's answer to every seed.
    generate: Callable[[int, Sequence[Pick], Sequence[Attempt]], tuple[Draft, ...]]
    # How many pairs it can still give; None: any number.
    left: Callable[[], int | None] = lambda: None


class VerifierSettings(EndpointSettings):
    """A second model that answers every new question. Rows on which it disagrees are rejected."""

    max_tokens: PositiveInt = 1024


@dataclass(frozen=True)
class TeacherContext:
    """What is known of a run before it is opened."""

    task: Task
    prices: Mapping[str, PriceSettings]
    verifier: VerifierSettings | None = None
    # The criterion has the teacher answer seeds too.
    answers_seeds: bool = False
    # The source files of the task's program.
    program_sources: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class TeacherRun:
    """What a teacher gets once the run is open."""

    ledger: Ledger
    # draw(purpose, seed id, n)
    draw: Callable[[str, str, int], Random]
    # Tokens of a text, by the student's tokenizer: free teachers are metered as if bought.
    count_tokens: Callable[[str], int]
    # The sha256 that `RegisteredTeacher.fingerprint` gave; it stands in every draft.
    fingerprint: str
    # Rows of a file that may be handed out (at most n), and where the base student sees them.
    open_reserve: Callable[[Any], tuple[Reserve, tuple[Row, ...], Any]]
    # on_draft(done, total)
    on_draft: Callable[[int, int], None] = lambda done, total: None


@dataclass(frozen=True)
class RegisteredTeacher:
    settings: type[Settings]
    # make(settings, context, run)
    make: Callable[[Any, TeacherContext, TeacherRun], Teacher]
    # fingerprint(settings, context): sha256 of all that decides what the teacher is asked.
    fingerprint: Callable[[Any, TeacherContext], str]
