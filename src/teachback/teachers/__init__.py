"""Who writes new questions and answers. A teacher knows its price beforehand; every call goes through the ledger."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..types import Draft, Example, Pick


@dataclass(frozen=True)
class Teacher:
    """price(seed, n): the most tokens that the n-th pair of a seed can cost. generate(round, picks): its drafts, in
    the picks' order; picks that the budget can't pay for are left out."""

    price: Callable[[Example, int], int]
    generate: Callable[[int, Sequence[Pick]], tuple[Draft, ...]]
