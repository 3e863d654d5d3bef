"""Judges and referees: one call each, through the same window and ledger, without counting as
generated.
"""

from pathlib import Path

import pytest

from loopback import Fault, Request, loopback
from teachback.endpoints.endpoint import Endpoint
from teachback.ledger.costs import Budget, Price
from teachback.ledger.ledger import Ledger
from teachback.teachers.prompted_model import (
    Message,
    Opinion,
    PromptedModel,
    ask_while_affordable,
)
from teaching import SEEDS, buy, good, only

MESSAGES = [Message(f"s{i}", 0, f"Grade attempt {i}: 1 + {i}") for i in range(8)]


def grade(
    base_url: str, ledger: Ledger, messages: list[Message] = MESSAGES, n: int = 0
) -> tuple[Opinion, ...]:
    endpoint = Endpoint(
        base_url=base_url, model="judge", in_flight=4, price=Price(1, 2)
    )
    judge = PromptedModel("judge", endpoint, "{question}", 30)
    return ask_while_affordable(judge, messages, round=n, ledger=ledger)


def test_opinions_come_in_order_and_are_bought_once(path: Path) -> None:
    with loopback() as server, Ledger(path, budget=Budget(generated=1)) as ledger:
        opinions = grade(server.base_url, ledger)
        assert [opinion.text for opinion in opinions] == [
            f"Adding the two numbers: 1 + {i} = {1 + i}.\nAnswer: {1 + i}"
            for i in range(8)
        ]
        assert grade(server.base_url, ledger) == opinions
        assert server.calls == 8
        again = [Message(message.seed, 1, message.text) for message in MESSAGES]
        assert len(grade(server.base_url, ledger, again, 1)) == 8
        assert server.calls == 16, "the same words in the next round are asked again"
        assert ledger.spend().pairs == 0
        assert [
            (one.role, one.round, one.spend.calls) for one in ledger.costs_by_role()
        ] == [
            ("judge", 0, 8),
            ("judge", 1, 8),
        ]


def test_a_pair_and_a_grade_for_the_same_seed_stand_side_by_side(path: Path) -> None:
    with loopback() as server, Ledger(path) as ledger:
        grade(server.base_url, ledger)
        assert all(map(good, buy(server.base_url, ledger, 6, SEEDS)))
        assert ledger.spend().pairs == 6
        assert ledger.spend().calls == 8 + 12


def test_judging_is_paid_from_the_same_budget(path: Path) -> None:
    endpoint = Endpoint(base_url="http://host", model="judge", price=Price(1, 2))
    judge = PromptedModel("judge", endpoint, "{question}", 30)
    worst = judge.worst_cost(MESSAGES[0])
    assert worst.usd is not None
    budget = Budget(usd=3 * worst.usd)
    with (
        loopback(faults=lambda request: Fault("full")) as server,
        Ledger(path, budget=budget) as ledger,
    ):
        assert len(grade(server.base_url, ledger)) == 3
        assert ledger.amount_committed().usd == budget.usd


def test_what_cannot_be_used_or_had_has_its_reason(path: Path) -> None:
    def faults(request: Request) -> Fault | None:
        return (
            Fault("status", 400, body="no")
            if "attempt 5" in request.prompt
            else only(Fault("null"), 2)(request)
        )

    with loopback(faults=faults) as server, Ledger(path) as ledger:
        opinions = grade(server.base_url, ledger)
    reasons = [opinion.reason for opinion in opinions if opinion.reason]
    assert sorted(reasons) == [
        "no text in the teacher's answer",
        "refused: HTTP 400: no",
    ]
    assert sum(opinion.text is not None for opinion in opinions) == 6


@pytest.mark.parametrize("count", [0, 1])
def test_few_or_no_messages(path: Path, count: int) -> None:
    with loopback() as server, Ledger(path) as ledger:
        assert len(grade(server.base_url, ledger, MESSAGES[:count])) == count
