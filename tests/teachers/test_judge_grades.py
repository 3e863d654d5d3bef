"""The judge that grades: asked once for each different answer, paid from the budget, never given
a verdict it lacks.
"""

from pathlib import Path

import pytest

from loopback import Fault, loopback
from teachback.endpoints.endpoint import Endpoint
from teachback.errors import BudgetClosed
from teachback.ledger.costs import Budget, Price
from teachback.ledger.ledger import Ledger
from teachback.serve.messages import Messages
from teachback.teachers.judge_grades import (
    GRADING_FIELDS,
    GRADING_ROLE,
    JudgedGrades,
    ask_for_grades,
    make_grading_message,
    read_grade,
    worst_grading_cost,
)
from teachback.teachers.prompted_model import Opinion, PromptedModel
from teachback.teachers.prompts import SHIPPED, read_template
from teachback.types import Example
from teaching import only

GOLD = [Example(f"d{i}", f"Who wrote book {i}?", f"author {i}") for i in range(6)]
TEMPLATE = read_template(SHIPPED / "judge.txt", GRADING_FIELDS)


def same_author(messages: Messages) -> str:
    """A judge that looks for the gold answer in what the student said."""
    prompt = messages[-1]["content"]
    gold = (
        prompt.partition("The correct answer is:")[2]
        .partition("The student answered:")[0]
        .strip()
    )
    answer = prompt.partition("The student answered:")[2].partition(
        "Does the student's"
    )[0]
    return (
        "CORRECT"
        if gold in answer
        else "maybe"
        if "unsure" in answer
        else "It is INCORRECT."
    )


def judged(
    base_url: str, ledger: Ledger, answers: list[tuple[Example, str]], round: int = 0
) -> JudgedGrades:
    judge = PromptedModel(
        GRADING_ROLE,
        Endpoint(base_url=base_url, model="judge", in_flight=4, price=Price(1, 2)),
        TEMPLATE,
        20,
    )
    return ask_for_grades(judge, answers, round=round, ledger=ledger)


def test_verdicts_by_answer_and_each_bought_once(path: Path) -> None:
    answers = [
        (GOLD[0], "It was author 0."),
        (GOLD[1], "author 9"),
        (GOLD[2], "unsure"),
        (GOLD[0], "nobody"),
    ]
    with loopback(same_author) as server, Ledger(path) as ledger:
        found = judged(server.base_url, ledger, [*answers, answers[0]])
        assert [found[e.id, text].outcome for e, text in answers] == [
            "right",
            "wrong",
            "unjudged",
            "wrong",
        ]
        assert found["d0", "It was author 0."].answer_right
        assert "neither CORRECT nor INCORRECT: 'maybe'" in str(
            found["d2", "unsure"].reason
        )
        assert server.calls == 4
        assert judged(server.base_url, ledger, answers, round=3) == found
        assert server.calls == 4, "the same answer in a later round is not judged again"
        assert ledger.spend().pairs == 0
        assert {one.role for one in ledger.costs_by_role()} == {"judge"}


def test_a_budget_that_ends_keeps_what_is_judged_and_says_so(path: Path) -> None:
    answers = [(e, "author 1") for e in GOLD]
    with loopback(same_author) as server:
        endpoint = Endpoint(base_url=server.base_url, model="judge")
        judge = PromptedModel(GRADING_ROLE, endpoint, TEMPLATE, 20)
        worst = judge.worst_cost(make_grading_message(judge, *answers[0])).tokens
        with Ledger(path, budget=Budget(teacher_tokens=worst)) as ledger:
            with pytest.raises(
                BudgetClosed,
                match=r"can't pay for judging all answers\n.* of 6 calls answered",
            ):
                judged(server.base_url, ledger, answers)
            asked = server.calls
            assert 0 < asked < 6
        with Ledger(path) as ledger:
            found = judged(server.base_url, ledger, answers)
        assert server.calls == 6
        assert [found[e.id, "author 1"].outcome for e in GOLD] == [
            "wrong",
            "right",
            "wrong",
            "wrong",
            "wrong",
            "wrong",
        ]


def test_the_worst_case_holds_for_the_longest_answer(path: Path) -> None:
    endpoint = Endpoint(base_url="http://127.0.0.1:9/v1", model="judge")
    judge = PromptedModel(GRADING_ROLE, endpoint, TEMPLATE, 20)
    worst = worst_grading_cost(judge, GOLD[:1]).tokens
    for text in ("x" * 100_000, "é" * 50_000, '"\\' * 9_000, "\n" * 9_000):
        message = make_grading_message(judge, GOLD[0], text)
        assert (
            len(judge.endpoint.request_body(message.text, 20))
            + judge.endpoint.template_tokens
            + 20
            <= worst
        )


def test_a_lost_reply_leaves_the_answer_unjudged(path: Path) -> None:
    with (
        loopback(same_author, only(Fault("status", status=400), 1)) as server,
        Ledger(path) as ledger,
    ):
        found = judged(server.base_url, ledger, [(e, "nobody") for e in GOLD[:3]])
    assert sorted(grade.outcome for grade in found.values()) == [
        "unjudged",
        "wrong",
        "wrong",
    ]


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("CORRECT", "right"),
        ("INCORRECT", "wrong"),
        ("One may think CORRECT, but: INCORRECT.", "wrong"),
        ("correct", "unjudged"),
        ("", "unjudged"),
        (None, "unjudged"),
    ],
)
def test_readings_of_a_reply(text: str | None, outcome: str) -> None:
    assert (
        read_grade(Opinion("d", 0, text, None if text else "cut off")).outcome
        == outcome
    )
