"""Who writes new questions and answers. A teacher knows its price beforehand; every call goes through the ledger."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..ledger.costs import Cost
from ..types import Attempt, Draft, Example, Pick


@dataclass(frozen=True)
class Teacher:
    """prices(pairs): the most that each (seed, n), the n-th pair of a seed, can cost. generate(round, picks, attempts):
    its drafts, in the picks' order; picks that the budget can't pay for are left out. attempts: the student's, at every
    seed. left(): how many pairs it can still give, where it has only so many."""

    prices: Callable[[Sequence[tuple[Example, int]]], list[Cost]]
    generate: Callable[[int, Sequence[Pick], Sequence[Attempt]], tuple[Draft, ...]]
    left: Callable[[], int | None] = lambda: None
