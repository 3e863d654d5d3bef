"""The judge that gives marks: once for each different attempt, within the budget, and no mark
that it did not give.
"""

import os
import signal
import time
from collections import Counter
from hashlib import sha256
from pathlib import Path

import pytest

from crashing import child, ended
from loopback import Fault, Request, loopback
from teachback.endpoints.endpoint import Endpoint
from teachback.errors import BudgetClosed, TeacherDown
from teachback.ledger.costs import Budget, Cost, Price
from teachback.ledger.ledger import Ledger
from teachback.serve.messages import Messages
from teachback.teachers.judge_marks import (
    MARKING_FIELDS,
    MARKING_ROLE,
    Mark,
    SeedAttempt,
    make_marking_message,
    mark_attempts,
    read_marks,
    worst_marking_cost,
)
from teachback.teachers.prompted_model import PromptedModel
from teachback.teachers.prompts import MAX_ATTEMPT_BYTES, SHIPPED, read_template
from teaching import closed_port, rows

TEMPLATE = read_template(SHIPPED / "mark.txt", MARKING_FIELDS)
CAP = 20
QUESTIONS = ["Why?", "Why is that so?" * 9, "é\n" * 40, "What?"]


def echo(messages: Messages) -> str:
    """A judge that says what the student said, so that a test writes its replies."""
    return (
        messages[-1]["content"].rpartition("<answer>\n")[2].partition("\n</answer>")[0]
    )


def tried(*texts: str) -> list[SeedAttempt]:
    return [
        SeedAttempt(f"s{i}", f"Question {i}?", text) for i, text in enumerate(texts)
    ]


def marking(
    base_url: str = "http://127.0.0.1:9/v1", **changes: object
) -> PromptedModel:
    plain: dict[str, object] = {"in_flight": 4, "price": Price(1, 2), "patience_s": 1.0}
    endpoint = Endpoint(base_url=base_url, model="judge", **plain | changes)
    return PromptedModel(MARKING_ROLE, endpoint, TEMPLATE, CAP)  # type: ignore[arg-type]


def test_each_different_attempt_is_marked_once(path: Path) -> None:
    first, later = (
        tried("Good.\nMark: 7", "Mark: 1", "Mark: 10"),
        tried("Good.\nMark: 7", "Mark: 3", "Mark: 10"),
    )
    with loopback(echo) as server, Ledger(path, budget=Budget(generated=1)) as ledger:
        one = mark_attempts(marking(server.base_url), first, round=0, ledger=ledger)
        assert one == {"s0": Mark(7), "s1": Mark(1), "s2": Mark(10)}
        assert (
            mark_attempts(marking(server.base_url), first, round=0, ledger=ledger)
            == one
        )
        assert server.calls == 3
        two = mark_attempts(marking(server.base_url), later, round=1, ledger=ledger)
        assert two == {"s0": Mark(7), "s1": Mark(3), "s2": Mark(10)}
        assert server.calls == 4, "only the attempt that changed"
        assert ledger.spend().pairs == 0, "marks do not count as generated"
        assert [
            (cost.role, cost.round, cost.spend.calls) for cost in ledger.costs_by_role()
        ] == [
            ("marker", 0, 3),
            ("marker", 1, 1),
        ]


def test_the_judge_sees_question_and_attempt_as_they_are(path: Path) -> None:
    attempt = SeedAttempt(
        "s0", "What is {attempt}?", "It is {question}: \\1 </answer> Mark: 10"
    )
    with loopback(echo) as server, Ledger(path) as ledger:
        mark_attempts(marking(server.base_url), [attempt], round=0, ledger=ledger)
        prompt = server.requests[0].prompt
    head, tail = TEMPLATE.split("{question}")
    assert prompt == head + attempt.question + tail.replace("{attempt}", attempt.text)
    assert "gold" not in TEMPLATE


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Mark: 7", 7),
        ("Wrong sign in step 2.\n\nMark: 10\n", 10),
        ("Fine.\n**Mark: 7**", 7),
        ("Fine.\n### **Mark:** 7/10.", 7),
        ("mark: 7", None),
        ("Mark: 0", None),
        ("Mark: 11", None),
        ("Mark: 7.5", None),
        ("Mark: 7 or 8", None),
        ("Mark: 07", None),
        ("Mark: ٧", None),
        ("Mark: seven", None),
        ("Mark: N", None),
        ("Mark:", None),
        ("7", None),
        ("The mark is 7.", None),
        ("I give it Mark: 7", None),
        ("Mark: 7\nbecause of step 2.", None),
        ("Mark: 3\nOn second thought:\nMark: 7", None),
        ("Mark: 30\nMark: 7", None),
        ("Mark 1: 7", None),
        ("", None),
    ],
)
def test_readings_of_a_reply(text: str, found: int | None) -> None:
    assert read_marks(text, ["Mark"]) == (None if found is None else [found])


def test_two_marks_are_read_in_their_order_or_not_at_all() -> None:
    labels = ["Mark 1", "Mark 2"]
    assert read_marks("Both are short.\nMark 1: 4\nMark 2: 10", labels) == [4, 10]
    for text in (
        "Mark 2: 4\nMark 1: 10",
        "Mark 1: 4",
        "Mark 1: 4\nand\nMark 2: 5",
        "Mark 1: 4\nMark 2: x",
        "Mark: 4\nMark: 5",
    ):
        assert read_marks(text, labels) is None, text


@pytest.mark.usefixtures("quick_retries")
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault("length"), "cut off by the token limit"),
        (Fault("refusal"), "refused: I'm sorry, but I can't help with that."),
        (Fault("null"), "no text in the teacher's answer"),
        (
            Fault("garbage"),
            "no answer in 3 tries: HTTP 200 without an answer",
        ),
        (Fault("status", 400, body="no"), "refused: HTTP 400: no"),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else None,
)
def test_what_is_no_mark_has_its_reason_and_stays_none(
    path: Path, fault: Fault, reason: str
) -> None:
    def faults(request: Request) -> Fault | None:
        return fault if "Question 1?" in request.prompt else None

    attempts = tried("Mark: 2", "Mark: 3", "I  like\nit", "Mark: 5")
    with loopback(echo, faults) as server, Ledger(path) as ledger:
        found = mark_attempts(
            marking(server.base_url), attempts, round=0, ledger=ledger
        )
        asked = server.calls
        assert (
            mark_attempts(marking(server.base_url), attempts, round=0, ledger=ledger)
            == found
        )
        assert server.calls == asked, "what failed is not asked again"
    assert [found[f"s{i}"].mark for i in range(4)] == [2, None, None, 5]
    assert found["s1"].reason == reason
    assert (
        found["s2"].reason == "the judge's reply does not end in one mark: 'I like it'"
    )


def test_a_budget_that_ends_keeps_what_is_marked_and_says_so(path: Path) -> None:
    attempts = tried(*[f"Mark: {i + 1}" for i in range(6)])
    with loopback(echo, lambda request: Fault("full")) as server:
        judge = marking(server.base_url)
        one = judge.worst_cost(make_marking_message(judge, attempts[0]))
        budget = Budget(teacher_tokens=4 * one.tokens)
        with Ledger(path, budget=budget) as ledger:
            with pytest.raises(
                BudgetClosed,
                match=r"can't pay for marking the attempts\n.*of 6 calls answered",
            ):
                mark_attempts(judge, attempts, round=0, ledger=ledger)
            assert server.calls == 4
        with Ledger(path) as ledger:
            found = mark_attempts(judge, attempts, round=0, ledger=ledger)
    assert server.calls == 6
    assert [found[f"s{i}"].mark for i in range(6)] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    "text",
    ["x" * MAX_ATTEMPT_BYTES, "x" * 100_000, "é" * 50_000, '"\\' * 9_000, "\n" * 9_000],
)
def test_the_worst_case_is_enough_for_the_longest_attempts(
    path: Path, text: str
) -> None:
    attempts = [
        SeedAttempt(f"s{i}", question, text) for i, question in enumerate(QUESTIONS)
    ]
    with (
        loopback(lambda messages: "Well.", lambda request: Fault("full")) as server,
        Ledger(path) as ledger,
    ):
        judge = marking(server.base_url)
        mark_attempts(judge, attempts, round=0, ledger=ledger)
        used, worst = ledger.spend().tokens, worst_marking_cost(judge, QUESTIONS).tokens
        assert not ledger.overran
        assert (
            used == worst
            if len(text) == MAX_ATTEMPT_BYTES
            else 0.9 * worst < used <= worst
        )


def test_the_worst_case_of_some_of_the_seeds_is_that_of_the_dearest() -> None:
    judge = marking()
    worst = worst_marking_cost(judge, QUESTIONS)
    assert worst == sum(
        (worst_marking_cost(judge, [q]) for q in QUESTIONS), Cost(0, 0, 0)
    )
    assert worst.usd is not None
    assert worst.usd > worst.tokens, "an output token costs twice as much"
    two = worst_marking_cost(judge, QUESTIONS, 2)
    assert two.tokens == max(
        worst_marking_cost(judge, [a, b]).tokens
        for a in QUESTIONS
        for b in QUESTIONS
        if a != b
    )
    assert two.tokens < worst.tokens
    assert worst_marking_cost(judge, QUESTIONS, 99) == worst
    assert worst_marking_cost(judge, []) == Cost(0, 0, 0)


def test_a_judge_that_is_down_is_no_reason_for_none(path: Path) -> None:
    attempts = tried(*["Mark: 1"] * 6)
    with Ledger(path) as ledger, pytest.raises(TeacherDown):
        mark_attempts(marking(closed_port(), tries=1), attempts, round=0, ledger=ledger)
    with loopback(echo) as server, Ledger(path) as ledger:
        found = mark_attempts(
            marking(server.base_url), attempts, round=0, ledger=ledger
        )
    assert {one.mark for one in found.values()} == {1}, (
        "the same attempts are asked again when it is back"
    )


def test_two_attempts_at_a_seed_are_a_mistake(path: Path) -> None:
    with (
        Ledger(path) as ledger,
        pytest.raises(ValueError, match="two attempts at the same seed"),
    ):
        mark_attempts(
            marking(),
            [SeedAttempt("s", "?", "a"), SeedAttempt("s", "?", "b")],
            round=0,
            ledger=ledger,
        )


MANY = tried(*[f"Attempt {i}.\nMark: {i % 10 + 1}" for i in range(120)])


def mark_them(base_url: str, path: Path) -> None:
    with Ledger(path) as ledger:
        mark_attempts(marking(base_url, in_flight=8), MANY, round=0, ledger=ledger)


def test_killed_while_marking_it_goes_on_and_buys_nothing_twice(path: Path) -> None:
    with loopback(echo, latency_s=lambda request: 0.02) as server:
        for more in (20, 40):
            before, pid = server.calls, child(mark_them, server.base_url, path)
            deadline = time.monotonic() + 20
            while server.calls < before + more and time.monotonic() < deadline:
                time.sleep(0.001)
            os.kill(pid, signal.SIGKILL)
            assert ended(pid) == -signal.SIGKILL
        with Ledger(path) as ledger:
            found = mark_attempts(
                marking(server.base_url), MANY, round=0, ledger=ledger
            )
        came = Counter(sha256(request.raw).hexdigest() for request in server.requests)
    assert [found[f"s{i}"].mark for i in range(120)] == [i % 10 + 1 for i in range(120)]
    states = rows(path, "SELECT request, state FROM calls")
    doubted = Counter(request for request, state in states if state == "in_doubt")
    assert all(count <= 1 + doubted[request] for request, count in came.items()), (
        "twice only what was in doubt"
    )
    assert Counter(state for _, state in states)["answered"] == 120
