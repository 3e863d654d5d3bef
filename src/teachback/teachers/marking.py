"""A judge LLM gives each attempt a mark of 1 to 10, without the gold answer: what the criterion
`judge` reads.

Every attempt costs one call, through the ledger and within the budget, once: the same answer to
the same question is never marked again. A reply without one mark in the form that the prompt
states is no mark, with the reason.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from hashlib import sha256
from operator import add
from typing import NamedTuple

from ..endpoints.endpoint import Endpoint
from ..errors import BudgetClosed
from ..ledger.costs import Cost
from ..ledger.ledger import Ledger
from .ask import Message, Opinion, ask_all, price
from .openai import ATTEMPT_BYTES, shown
from .prompts import fill

ROLE = "marker"
FIELDS = frozenset({"question", "attempt"})
MARKDOWN = re.compile(r"[*_`#]")  # judges like to print their marks bold
LINE = re.compile(r"(Mark(?: [12])?) ?:(.*)")
NUMBER = re.compile(r" *(10|[1-9])(?: ?/ ?10)?\.?")


class Attempted(NamedTuple):
    """The student's attempt at a seed. question: as the student was asked it."""

    seed: str
    question: str
    text: str


class Mark(NamedTuple):
    """1 to 10; or None, and the reason why there is none."""

    mark: int | None
    reason: str | None = None


@dataclass(frozen=True)
class Marking:
    """template: with the fields question and attempt; it asks for a last line "Mark: N". cap:
    tokens of a reply.
    """

    endpoint: Endpoint
    template: str
    cap: int

    def message(self, tried: Attempted) -> Message:
        return message(
            tried.seed,
            fill(self.template, question=tried.question, attempt=shown(tried.text)),
        )

    def worst(self, questions: Iterable[str], most: int | None = None) -> Cost:
        """The most that marking one attempt at each of them can cost; at so many of them,
        whichever these are.
        """
        longest = (
            self.message(Attempted("", question, "x" * ATTEMPT_BYTES))
            for question in questions
        )
        return dearest((price(one, self.endpoint, self.cap) for one in longest), most)


def mark_all(
    attempts: Sequence[Attempted],
    marking: Marking,
    *,
    round: int,
    ledger: Ledger,
    tell: Callable[[int], None] = lambda done: None,
) -> dict[str, Mark]:
    """A mark for each seed's attempt, by seed.

    The same call again on the same ledger buys nothing twice; another attempt at the same seed is
    another question. Raises BudgetClosed when they can't all be paid for (what is marked is
    kept), ConfigError (no key) and TeacherDown.
    """
    asked = [marking.message(tried) for tried in attempts]
    if len({one.seed for one in asked}) < len(asked):
        raise ValueError("two attempts at the same seed")
    said = ask_each(
        asked,
        "marking the attempts",
        ROLE,
        marking.endpoint,
        marking.cap,
        round,
        ledger,
        tell,
    )
    return {one.seed: mark(said[one.seed, one.n]) for one in asked}


def mark(opinion: Opinion) -> Mark:
    if opinion.text is None:
        return Mark(None, opinion.reason)
    found = read_marks(opinion.text, ["Mark"])
    return (
        Mark(found[0])
        if found
        else Mark(
            None, f"the judge's reply does not end in one mark: {end(opinion.text)}"
        )
    )


def read_marks(text: str, labels: Sequence[str]) -> list[int] | None:
    """The marks of a reply that ends with a line "LABEL: N" for each label, in their order, N
    from 1 to 10. None where it doesn't, or where there is another such line before: a mark
    that was taken back is a guess at what is meant.
    """
    lines = [MARKDOWN.sub("", line).strip() for line in text.splitlines()]
    found = [LINE.fullmatch(line) for line in lines if line]
    said = [line for line in found if line]
    numbers = [NUMBER.fullmatch(line[2]) for line in said]
    if [line[1] for line in said] != [*labels] or found[-len(labels) :] != said:
        return None
    return [int(number[1]) for number in numbers if number] if all(numbers) else None


def end(text: str) -> str:
    """Of a reply, for a reason."""
    return repr(" ".join(text.split())[-80:])


def message(seed: str, asked: str) -> Message:
    """Its n is made from its words: other words about the same seed are another question."""
    return Message(
        seed,
        int.from_bytes(sha256(asked.encode("utf-8", "replace")).digest()[:6], "big"),
        asked,
    )


def ask_each(
    messages: Sequence[Message],
    what: str,
    role: str,
    endpoint: Endpoint,
    cap: int,
    round: int,
    ledger: Ledger,
    tell: Callable[[int], None],
) -> Mapping[tuple[str, int], Opinion]:
    """What came back of every message, by its seed and n.

    Raises BudgetClosed when not all could be asked: half of the pool would be chosen from as if
    it were all. what: for that error.
    """
    opinions = ask_all(
        messages,
        role=role,
        endpoint=endpoint,
        cap=cap,
        round=round,
        ledger=ledger,
        tell=tell,
    )
    if len(opinions) < len(messages):
        raise BudgetClosed(
            f"the budget can't pay for {what}",
            got=f"{len(opinions)} of {len(messages)} calls answered; they are kept",
            fix="raise the budget and run the same command, or ask about fewer seeds",
        )
    return {(opinion.seed, opinion.n): opinion for opinion in opinions}


def dearest(costs: Iterable[Cost], most: int | None) -> Cost:
    """The sum of the dearest ones. All of one endpoint, where more tokens are never cheaper."""
    ordered = sorted(costs, key=lambda cost: cost.tokens, reverse=True)
    return reduce(add, ordered[:most], Cost(0, 0, 0))
