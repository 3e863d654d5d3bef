"""An LLM judge says whether an answer comes to the gold one: for answers that no program can
compare.

An answer that is the gold one word for word is right without asking. Everything else costs one
call, through the ledger and within the budget, once: the same answer to the same question is
never judged again.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from hashlib import sha256
from operator import add

from ..endpoints.endpoint import Endpoint
from ..errors import BudgetClosed
from ..ledger.costs import Cost
from ..ledger.ledger import Ledger
from ..types import Example, Grade
from .ask import Message, Opinion, ask_all, price
from .openai import ATTEMPT_BYTES, shown
from .prompts import fill

ROLE = "judge"
FIELDS = frozenset({"question", "gold", "answer"})
VERDICT = re.compile(r"\b(INCORRECT|CORRECT)\b")

Verdicts = Mapping[
    tuple[str, str], Grade
]  # (example id, the student's text) → what the judge says


@dataclass(frozen=True)
class Judging:
    """template: with the fields question, gold and answer; it asks for CORRECT or INCORRECT. cap:
    tokens of a reply.
    """

    endpoint: Endpoint
    template: str
    cap: int

    def message(self, example: Example, text: str) -> Message:
        asked = fill(
            self.template,
            question=example.question,
            gold=str(example.answer),
            answer=shown(text),
        )
        return Message(
            example.id,
            int.from_bytes(
                sha256(asked.encode("utf-8", "replace")).digest()[:6], "big"
            ),
            asked,
        )

    def worst(self, examples: Sequence[Example]) -> Cost:
        """The most that judging one answer to each of them can cost."""
        longest = (
            Message(e.id, 0, self.message(e, "x" * ATTEMPT_BYTES).text)
            for e in examples
        )
        return reduce(
            add, (price(message, self.endpoint, self.cap) for message in longest)
        )


def judge_all(
    answers: Sequence[tuple[Example, str]],
    judging: Judging,
    *,
    round: int,
    ledger: Ledger,
    tell: Callable[[int], None] = lambda done: None,
) -> Verdicts:
    """Each different answer once.

    Raises BudgetClosed when they can't all be paid for, ConfigError and TeacherDown.
    """
    asked = {(e.id, text): judging.message(e, text) for e, text in answers}
    messages = {(message.seed, message.n): message for message in asked.values()}
    opinions = ask_all(
        list(messages.values()), role=ROLE, endpoint=judging.endpoint, cap=judging.cap,
        round=round, ledger=ledger,
        tell=tell,
    )  # fmt: skip
    if len(opinions) < len(messages):
        raise BudgetClosed(
            "the budget can't pay for judging all answers",
            got=f"{len(opinions)} of {len(messages)} judged; they are kept",
            fix="raise the budget and run the same command, or ask for fewer questions",
        )
    said = {(opinion.seed, opinion.n): verdict(opinion) for opinion in opinions}
    return {key: said[message.seed, message.n] for key, message in asked.items()}


def verdict(opinion: Opinion) -> Grade:
    """The last verdict that the judge's reply names; without one the answer stays unjudged, never
    right or wrong.
    """
    found = VERDICT.findall(opinion.text or "")
    if not found:
        why = (
            opinion.reason
            or f"the judge said neither CORRECT nor INCORRECT: {(opinion.text or '')[:80]!r}"
        )
        return Grade("unjudged", reason=why)
    right = found[-1] == "CORRECT"
    return Grade(
        "right" if right else "wrong",
        answer_right=right,
        reason=None if right else "the judge says INCORRECT",
    )
