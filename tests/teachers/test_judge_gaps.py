"""The referee between teacher and student: both orders, the teacher's answers once, and no gap
without two verdicts.
"""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from loopback import Fault, Request, loopback
from teachback.endpoints.endpoint import Endpoint
from teachback.errors import BudgetClosed
from teachback.ledger.costs import Budget, Price
from teachback.ledger.ledger import Ledger
from teachback.serve.messages import Messages
from teachback.teachers.judge_gaps import (
    REFEREE_FIELDS,
    REFEREE_ROLE,
    TEACHER_ANSWER_ROLE,
    Gap,
    answer_seeds,
    compare_answers,
    make_referee_messages,
    worst_answering_cost,
    worst_referee_cost,
)
from teachback.teachers.judge_marks import SeedAttempt
from teachback.teachers.prompted_model import Opinion, PromptedModel
from teachback.teachers.prompts import (
    MAX_ATTEMPT_BYTES,
    PROMPT_FIELDS,
    SHIPPED,
    find_prompts,
    read_template,
)

TEMPLATE = read_template(SHIPPED / "referee.txt", REFEREE_FIELDS)
SOLVE = read_template(find_prompts("neutral") / "answer.txt", PROMPT_FIELDS["answer"])
CAP = 30


def both(prompt: str) -> list[str]:
    return re.findall(r"<answer>\n(.*?)\n</answer>", prompt, re.DOTALL)


def referee(first: int = 0) -> Callable[[Messages], str]:
    """Gives each answer the mark that is its last word, and `first` more to the one that it reads
    first; where that is above 10 it says so, and there is no verdict.
    """

    def says(messages: Messages) -> str:
        a, b = (int(answer.split()[-1]) for answer in both(messages[-1]["content"]))
        return f"I have read both.\nMark 1: {a + first}\nMark 2: {b}"

    return says


def refereeing(
    base_url: str = "http://127.0.0.1:9/v1", in_flight: int = 4
) -> PromptedModel:
    return PromptedModel(
        REFEREE_ROLE,
        Endpoint(
            base_url=base_url, model="referee", in_flight=in_flight, price=Price(1, 2)
        ),
        TEMPLATE,
        CAP,
    )


def tried(*texts: str) -> list[SeedAttempt]:
    return [
        SeedAttempt(f"s{i}", f"Question {i}?", text) for i, text in enumerate(texts)
    ]


def told(*texts: str | None) -> dict[str, Opinion]:
    return {
        f"s{i}": Opinion(f"s{i}", 0, text, None if text else "refused")
        for i, text in enumerate(texts)
    }


@pytest.mark.parametrize("first", [0, 2])
def test_a_gap_is_the_mean_of_both_orders_so_that_a_preferred_place_cancels(
    path: Path, first: int
) -> None:
    student, teacher = (
        tried("worth 3", "worth 8", "worth 5"),
        told("it is 7", "it is 4", "it is 5"),
    )
    with (
        loopback(referee(first)) as server,
        Ledger(path, budget=Budget(generated=1)) as ledger,
    ):
        gaps = compare_answers(
            refereeing(server.base_url), student, teacher, round=0, ledger=ledger
        )
        assert gaps == {"s0": Gap(4.0), "s1": Gap(-4.0), "s2": Gap(0.0)}
        asked = [both(request.prompt) for request in server.requests]
        assert sorted(asked[:2]) == [["it is 7", "worth 3"], ["worth 3", "it is 7"]]
        assert server.calls == 6
        assert (
            compare_answers(
                refereeing(server.base_url), student, teacher, round=0, ledger=ledger
            )
            == gaps
        )
        assert server.calls == 6
        assert {(cost.role, cost.spend.pairs) for cost in ledger.costs_by_role()} == {
            ("referee", 6)
        }
        assert ledger.spend().pairs == 0


def test_an_unparsed_verdict_in_either_order_leaves_the_seed_without_a_gap(
    path: Path,
) -> None:
    student = tried("worth 9", "worth 10", "worth 2")
    with (
        loopback(referee(first=1)) as server,
        Ledger(path) as ledger,
    ):  # the 10, read first, gets 11
        gaps = compare_answers(
            refereeing(server.base_url),
            student,
            told(*["it is 5"] * 3),
            round=0,
            ledger=ledger,
        )
    assert [gaps[f"s{i}"].gap for i in range(3)] == [-4.0, None, 3.0]
    assert gaps["s1"].reason == (
        "the referee's reply does not end in two marks: 'I have read both. Mark 1: 11 Mark 2: 5'"
    )


@pytest.mark.usefixtures("quick_retries")
def test_a_lost_verdict_has_its_reason(path: Path) -> None:
    def faults(request: Request) -> Fault | None:
        return (
            Fault("status", 400, body="no")
            if both(request.prompt) == ["worth 3", "it is 5"]
            else None
        )

    student = tried("worth 4", "worth 3")
    with loopback(referee(), faults) as server, Ledger(path) as ledger:
        gaps = compare_answers(
            refereeing(server.base_url),
            student,
            told("it is 5", "it is 5"),
            round=0,
            ledger=ledger,
        )
    assert gaps == {"s0": Gap(1.0), "s1": Gap(None, "refused: HTTP 400: no")}


def test_a_seed_that_the_teacher_did_not_answer_is_not_compared(path: Path) -> None:
    with loopback(referee()) as server, Ledger(path) as ledger:
        teacher = told(None, "it is 5")
        gaps = compare_answers(
            refereeing(server.base_url),
            tried("worth 1", "worth 1"),
            teacher,
            round=0,
            ledger=ledger,
        )
        assert server.calls == 2
    assert gaps == {
        "s0": Gap(None, "no answer of the teacher: refused"),
        "s1": Gap(4.0),
    }


def test_the_same_words_from_both_are_a_gap_of_nothing_without_asking(
    path: Path,
) -> None:
    with loopback(referee(first=3)) as server, Ledger(path) as ledger:
        gaps = compare_answers(
            refereeing(server.base_url),
            tried("it is 5"),
            told("it is 5"),
            round=0,
            ledger=ledger,
        )
        assert server.calls == 0
    assert gaps == {"s0": Gap(0.0)}


def test_the_teachers_answers_are_bought_once_a_run_and_the_verdicts_every_round(
    path: Path,
) -> None:
    questions = {f"s{i}": f"What is {i} + 3?" for i in range(4)}
    with loopback() as teacher, loopback(referee()) as server, Ledger(path) as ledger:
        answering = PromptedModel(
            TEACHER_ANSWER_ROLE,
            Endpoint(base_url=teacher.base_url, model="teacher"),
            SOLVE,
            40,
        )
        for round, worth in enumerate((1, 2, 2)):
            some = dict(
                list(questions.items())[: 3 if round == 0 else 4]
            )  # a seed may be asked for later
            answers = answer_seeds(answering, some, round=round, ledger=ledger)
            assert [answers[seed].text for seed in some] == [
                f"Adding the two numbers: {i} + 3 = {i + 3}.\nAnswer: {i + 3}"
                for i in range(len(some))
            ]
            student = [
                SeedAttempt(seed, question, f"worth {worth}")
                for seed, question in some.items()
            ]
            gaps = compare_answers(
                refereeing(server.base_url),
                student,
                answers,
                round=round,
                ledger=ledger,
            )
            assert [gaps[seed].gap for seed in some] == [
                float(i + 3 - worth) for i in range(len(some))
            ]
        assert teacher.calls == 4
        assert teacher.requests[0].prompt == SOLVE.replace(
            "{question}", "What is 0 + 3?"
        )
        assert server.calls == 2 * 3 + 2 * 4, (
            "the third round has the attempts of the second"
        )
        spent = {
            (cost.role, cost.round): cost.spend.calls for cost in ledger.costs_by_role()
        }
    assert spent == {
        ("teacher-answer", 0): 3,
        ("teacher-answer", 1): 1,
        ("referee", 0): 6,
        ("referee", 1): 8,
    }


def test_a_budget_that_ends_stops_before_anything_is_chosen(path: Path) -> None:
    student, teacher = (
        tried(*[f"worth {i + 1}" for i in range(5)]),
        told(*["it is 5"] * 5),
    )
    with loopback(referee(), lambda request: Fault("full")) as server:
        judge = refereeing(server.base_url)
        messages = make_referee_messages(judge, student[0], "it is 5")
        one = judge.worst_cost(messages[0])
        with Ledger(path, budget=Budget(teacher_tokens=3 * one.tokens)) as ledger:
            with pytest.raises(
                BudgetClosed,
                match=r"can't pay for comparing all attempts\n.*of 10 calls answered",
            ):
                compare_answers(
                    refereeing(server.base_url),
                    student,
                    teacher,
                    round=0,
                    ledger=ledger,
                )
            assert server.calls == 3
        with Ledger(path) as ledger:
            gaps = compare_answers(
                refereeing(server.base_url), student, teacher, round=0, ledger=ledger
            )
        assert server.calls == 2 * 5
    assert [gaps[f"s{i}"].gap for i in range(5)] == [4.0, 3.0, 2.0, 1.0, 0.0]


@pytest.mark.parametrize(
    "text",
    ["x" * MAX_ATTEMPT_BYTES, "x" * 100_000, "é" * 50_000, '"\\' * 9_000, "\n" * 9_000],
)
def test_the_worst_case_is_enough_for_the_longest_answers(
    path: Path, text: str
) -> None:
    student = [SeedAttempt(f"s{i}", "Why? " * i, text) for i in range(3)]
    teacher = told(*[f"{i}{text[1:]}" for i in range(3)])
    with (
        loopback(lambda messages: "Well.", lambda request: Fault("full")) as server,
        Ledger(path) as ledger,
    ):
        judge = refereeing(server.base_url)
        compare_answers(judge, student, teacher, round=0, ledger=ledger)
        used, worst = (
            ledger.spend().tokens,
            worst_referee_cost(judge, [one.question for one in student]).tokens,
        )
        assert not ledger.overran
        assert (
            used == worst
            if len(text) == MAX_ATTEMPT_BYTES
            else 0.9 * worst < used <= worst
        )
        assert worst_referee_cost(judge, ["Why?", "Why so?"], 1) == worst_referee_cost(
            judge, ["Why so?"]
        )


def test_the_worst_case_of_the_teachers_answers(path: Path) -> None:
    questions = {f"s{i}": f"What is {i} + 3?" + " é" * i for i in range(3)}
    with (
        loopback(faults=lambda request: Fault("full")) as server,
        Ledger(path) as ledger,
    ):
        answering = PromptedModel(
            TEACHER_ANSWER_ROLE,
            Endpoint(base_url=server.base_url, model="teacher"),
            SOLVE,
            40,
        )
        answer_seeds(answering, questions, round=0, ledger=ledger)
        assert (
            ledger.spend().tokens
            == worst_answering_cost(answering, questions.values()).tokens
        )
    assert worst_answering_cost(
        answering, questions.values(), 1
    ) == worst_answering_cost(answering, [questions["s2"]])
