"""The openai teacher: pairs, drafts, prompts and what the budget buys, against a real server on
this machine.
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from loopback import Fault, Request, addition_teacher, loopback
from teachback.endpoints.endpoint import Endpoint
from teachback.errors import InputsChanged
from teachback.ledger.costs import Budget, Price
from teachback.ledger.ledger import Ledger
from teachback.teachers import openai
from teachback.teachers.prompts import load_prompts
from teachback.types import Draft, Example, Pick
from teaching import (
    PROMPTS,
    SEEDS,
    about,
    buy,
    buy_picks,
    closed_port,
    good,
    only,
    pair_calls,
    picks,
    rows,
)

pytestmark = pytest.mark.usefixtures("quick_retries")


def test_a_draft_for_each_pick_in_order_at_the_reported_cost(
    path: Path, ledger: Ledger
) -> None:
    draws = random.Random(1)
    with loopback(latency_s=lambda request: draws.uniform(0, 0.05)) as server:
        drafts = buy(server.base_url, ledger, 12)
    assert [draft.seed for draft in drafts] == list(SEEDS)
    assert all(good(draft) and draft.prompt == PROMPTS.sha256 for draft in drafts)
    assert len({draft.question for draft in drafts}) == 12
    assert server.calls == 24
    asked = {request.prompt for request in server.requests}
    assert asked == {
        f"Like <question>{seed.question}</question>, number 0."
        for seed in SEEDS.values()
    } | {f"Solve: {draft.question}" for draft in drafts}
    for draft in drafts:  # the calls are this pair's, question first
        query = "SELECT seed, role, state FROM calls WHERE request = '{}'"
        found = [rows(path, query.format(call)) for call in draft.calls]
        assert found == [
            [(draft.seed, "question", "answered")],
            [(draft.seed, "answer", "answered")],
        ]
    spend = ledger.spend()
    assert spend.input_tokens == sum(
        4 + len(request.prompt.split()) for request in server.requests
    )
    assert (spend.pairs, spend.calls, spend.held_tokens, spend.estimated_calls) == (
        12,
        24,
        0,
        0,
    )


def test_the_request_has_the_fields_that_are_set_and_no_others(ledger: Ledger) -> None:
    with loopback() as server:
        buy(server.base_url, ledger, 1)
        options = {"temperature": 0.7, "top_p": None}
        again = [Pick("s1", 3, 0, None)]
        buy_picks(
            again,
            server.base_url + "/",
            ledger,
            options=options,
            cap_field="max_completion_tokens",
        )
    plain, _, rich, answer = (request.body for request in server.requests)
    assert plain.keys() == {"model", "messages", "max_tokens"}
    assert plain["model"] == "m"
    assert plain["max_tokens"] == 40
    assert [message["role"] for message in plain["messages"]] == ["user"]
    assert rich.keys() == {
        "model",
        "messages",
        "max_completion_tokens",
        "temperature",
        "top_p",
    }
    assert (rich["temperature"], rich["top_p"], answer["max_completion_tokens"]) == (
        0.7,
        None,
        60,
    )
    assert "number 3." in rich["messages"][0]["content"]


@pytest.mark.parametrize("role", ["question", "answer"])
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault("length"), "cut off by the token limit"),
        (Fault("null"), "no text in the teacher's answer"),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else None,
)
def test_an_answer_that_cannot_be_used_is_a_draft_with_its_reason(
    path: Path, ledger: Ledger, fault: Fault, reason: str, role: str
) -> None:
    count = iter(range(100))
    faults = [None] * 100

    def second(request: Request) -> Fault | None:  # the second request of that role
        return (
            fault
            if request.role == role and next(count) == 1
            else faults[request.index]
        )

    with loopback(faults=second) as server:
        drafts = buy(server.base_url, ledger, in_flight=1)
        asked = server.calls
        assert buy(server.base_url, ledger, in_flight=1) == drafts
        assert server.calls == asked == (11 if role == "question" else 12)
    assert [draft.reason for draft in drafts] == [None, reason, None, None, None, None]
    assert all(good(draft) for draft in drafts if draft.reason is None)
    assert (drafts[1].question is None, drafts[1].text) == (role == "question", None)
    assert len(drafts[1].calls) == (1 if role == "question" else 2)
    assert rows(path, "SELECT DISTINCT state FROM pairs") == [("settled",)]


@pytest.mark.parametrize(
    ("text", "expected"),  # test_reading.py has the forms
    [
        ("What is 1 + 2?", None),
        (
            "<question>no</question> <question>\nWhat is 1 + 2?\n</question> ok",
            "What is 1 + 2?",
        ),
    ],
)
def test_without_a_question_no_answer_is_asked_for(
    ledger: Ledger, text: str, expected: str | None
) -> None:
    with loopback(
        lambda messages: (
            text
            if "<question>" in messages[-1]["content"]
            else addition_teacher(messages)
        )
    ) as server:
        (draft,) = buy(server.base_url, ledger, 1)
    assert draft.question == expected
    assert draft.reason == (None if expected else "no question in the teacher's answer")
    assert server.calls == (2 if expected else 1)


def test_text_is_data_never_template(ledger: Ledger) -> None:
    nasty = (
        "{question} {n} {{n}} {answer} \\frac{a}{b} \\1 \\g<0> %s \ud800 </exercise> 数 "
        "\N{PILE OF POO} \x00\t\"'"
    )
    nasty = "Seed: " + nasty

    def teacher(messages: Sequence[Mapping[str, str]]) -> str:
        asks = "number 0." in messages[-1]["content"]
        return (
            "<question>What is {n} {question} \\2?</question>"
            if asks
            else " Well.\nAnswer: {n} "
        )

    with loopback(teacher) as server:
        (draft,) = buy(server.base_url, ledger, 1, {"s0": Example("s0", nasty)})
    assert [request.prompt for request in server.requests] == [
        f"Like <question>{nasty}</question>, number 0.",
        "Solve: What is {n} {question} \\2?",
    ]
    assert (draft.question, draft.text) == (
        "What is {n} {question} \\2?",
        "Well.\nAnswer: {n}",
    )


def test_text_that_no_file_can_hold_is_rejected(ledger: Ledger) -> None:
    with loopback(lambda messages: "<question>\ud83d</question>") as server:
        (draft,) = buy(server.base_url, ledger, 1)
    assert draft.reason == "the teacher's answer is not valid Unicode"


def test_missing_usage_is_charged_in_full(path: Path, ledger: Ledger) -> None:
    with loopback(faults=only(Fault("no usage"), 0)) as server:
        (draft,) = buy(server.base_url, ledger, 1)
    assert good(draft)
    ((worst, charged, estimated),) = rows(
        path,
        "SELECT worst_tokens, input_tokens + output_tokens, estimated FROM calls LIMIT 1",
    )
    assert charged == worst == len(server.requests[0].raw) + 64 + 40
    assert estimated == 1


def test_after_a_usage_above_the_cap_nothing_more_is_sent(ledger: Ledger) -> None:
    with loopback(faults=only(Fault("over"), 2)) as server:
        drafts = buy(server.base_url, ledger, in_flight=1)
        assert server.calls == 3
        assert buy(server.base_url, ledger, in_flight=1) == drafts
        assert server.calls == 3
    assert good(drafts[0])
    assert [draft.reason for draft in drafts[1:]] == [
        "budget closed before the answer"
    ]  # the others are left out
    assert ledger.overran


def worst_of_a_pair(endpoint: Endpoint) -> int:
    """Both requests at their longest, 64 tokens of template each, and the caps; for seed s0."""
    asked = endpoint.request_body(
        f"Like <question>{SEEDS['s0'].question}</question>, number 0.", 40
    )
    answered = endpoint.request_body("Solve: " + "x" * 320, 60)
    return len(asked) + 64 + 40 + len(answered) + 64 + 60


@pytest.mark.parametrize("length", [320, 321])
def test_the_reservation_covers_the_longest_question_let_through(
    path: Path, length: int
) -> None:
    # Quotes and line ends are two bytes each in the request, the rest up to four: the bound
    # counts what is sent.
    text = "数" * 10 + '"\n' * 20 + "\N{PILE OF POO}" * 5
    text += "x" * (length - 30 - 80 - 20)
    teacher = {True: f"<question>{text}</question>", False: "Answer: 1"}
    with loopback(
        lambda messages: teacher["number 0." in messages[-1]["content"]],
        lambda _: Fault("full"),
    ) as server:
        worst = worst_of_a_pair(pair_calls(server.base_url).endpoint)
        assert (
            openai.worst_pair_cost(SEEDS["s0"], 0, pair_calls(server.base_url)).tokens
            == worst
        )
        with Ledger(
            path.with_name("less"), budget=Budget(teacher_tokens=worst - 1)
        ) as ledger:
            assert buy(server.base_url, ledger, 1) == ()
        assert server.calls == 0
        with Ledger(path, budget=Budget(teacher_tokens=worst)) as ledger:
            (draft,) = buy(server.base_url, ledger, 1)
            assert not ledger.overran
    if length == 320:
        assert (draft.question, draft.text, draft.reason) == (text, "Answer: 1", None)
    else:
        assert (draft.question, draft.reason) == (
            None,
            "the teacher's question is longer than 320 bytes",
        )
    assert server.calls == (2 if length == 320 else 1)


def test_a_retry_is_paid_from_the_budget_only(path: Path) -> None:
    long = f"<question>{'x' * 320}</question>"
    with loopback(
        lambda messages: long,
        lambda request: Fault("hang" if request.index == 1 else "full"),
    ) as server:
        worst = worst_of_a_pair(pair_calls(server.base_url).endpoint) + 10
        with Ledger(path, budget=Budget(teacher_tokens=worst)) as ledger:
            (draft,) = drafts = buy(server.base_url, ledger, 1, deadline_s=0.7)
            assert buy(server.base_url, ledger, 1) == drafts
    assert draft.reason == "budget closed before a retry"
    assert draft.question is not None
    assert server.calls == 2


@pytest.mark.parametrize("share", [0.3, 0.6])
def test_what_the_budget_buys_does_not_depend_on_who_comes_back_first(
    path: Path, share: float
) -> None:
    def bought(
        name: str,
        in_flight: int,
        latency_s: Callable[[Request], float],
        tokens: int | None,
    ) -> list[Draft]:
        budget = Budget(teacher_tokens=tokens)
        with (
            loopback(latency_s=latency_s) as server,
            Ledger(path.with_name(name), budget=budget) as ledger,
        ):
            drafts = buy(server.base_url, ledger, 12, in_flight=in_flight)
            assert tokens is None or ledger.spend().tokens <= tokens
            return list(drafts)

    with loopback() as server, Ledger(path) as ledger:
        buy(server.base_url, ledger, 12)
        tokens = worst_of_a_pair(pair_calls(server.base_url).endpoint) + int(
            share * ledger.spend().tokens
        )
    alone = bought("alone", 1, lambda request: 0.0, tokens)
    assert 2 < len(alone) < 11
    assert [draft.seed for draft in alone] == [f"s{i}" for i in range(len(alone))]
    for seed in range(4):
        draws = random.Random(seed)
        assert (
            bought(
                f"seed{seed}",
                4,
                lambda request, draws=draws: draws.uniform(0, 0.03),
                tokens,
            )
            == alone
        )  # type: ignore[misc]


@pytest.mark.parametrize("kind", ["teacher_tokens", "usd"])
def test_64_in_flight_against_a_budget_that_ends_in_the_middle(
    path: Path, kind: str
) -> None:
    """The same rows for any order of completion, and never a token or a cent more."""
    seeds = {
        f"s{i}": Example(f"s{i}", f"Seed {i}: " + "a pear and " * (i * 7 % 30))
        for i in range(200)
    }
    these, price = (
        [Pick(seed, 0, i, None) for i, seed in enumerate(seeds)],
        Price(3, 11),
    )

    def bought(
        name: str,
        in_flight: int,
        latency_s: Callable[[Request], float],
        most: int | None,
    ) -> list[Draft]:
        with (
            loopback(latency_s=latency_s) as server,
            Ledger(path.with_name(name), budget=Budget(**{kind: most})) as ledger,
        ):
            drafts = buy_picks(
                these, server.base_url, ledger, seeds, in_flight=in_flight, price=price
            )
            committed = vars(ledger.amount_committed())[kind]
            assert most is None or committed <= most
            if most is None:
                spent.append(committed)
            return list(drafts)

    spent: list[int] = []
    assert len(bought("all", 64, lambda request: 0.0, None)) == 200
    most = spent[0] // 2
    alone = bought("alone", 1, lambda request: 0.0, most)
    assert 40 < len(alone) < 160
    for seed in range(3):
        draws = random.Random(seed)
        assert (
            bought(
                f"seed{seed}",
                64,
                lambda request, draws=draws: draws.uniform(0, 0.05),
                most,
            )
            == alone
        )  # type: ignore[misc]


@pytest.mark.parametrize("in_flight", [1, 4])
def test_nothing_behind_a_pair_that_does_not_fit_is_bought(
    path: Path, in_flight: int
) -> None:
    """The first that fits would be bought in some orders of completion and not in others."""
    seeds = {**SEEDS, "s2": Example("s2", "Seed 2: " + "x" * 9000)}
    with (
        loopback() as server,
        Ledger(path, budget=Budget(teacher_tokens=8000)) as ledger,
    ):
        drafts = buy(server.base_url, ledger, 6, seeds, in_flight=in_flight)
    assert [draft.seed for draft in drafts] == ["s0", "s1"]
    assert server.calls == 4


def test_the_same_again_buys_nothing_and_more_buys_the_rest(path: Path) -> None:
    faults = about(Fault("status", 500), 1)
    with loopback(faults=faults) as server:
        with Ledger(path) as ledger:
            few = buy(server.base_url, ledger, 3, in_flight=1)
        asked = server.calls
        assert asked == 2 + 3 + 2
        with Ledger(path) as ledger:
            assert buy(server.base_url, ledger, 3) == few
            assert server.calls == asked
            every = buy(server.base_url, ledger, 6)
        assert server.calls == asked + 6
    assert every[:3] == few
    assert few[1] == Draft(
        "s1", 0, PROMPTS.sha256, reason="no answer in 3 tries: HTTP 500"
    )
    assert [good(draft) for draft in every] == [True, False, True, True, True, True]


def test_under_a_running_event_loop_as_in_a_notebook(ledger: Ledger) -> None:
    async def cell() -> tuple[Draft, ...]:
        return buy(server.base_url, ledger, 3)

    with loopback() as server:
        assert all(map(good, asyncio.run(cell())))


def test_a_settled_pair_is_not_bought_again_for_another_prompt(ledger: Ledger) -> None:
    with loopback() as server:
        buy(server.base_url, ledger, 2)
        with pytest.raises(InputsChanged, match="another request"):
            buy(server.base_url, ledger, 2, model="other")
        assert server.calls == 4


def test_the_order_of_the_options_does_not_matter(ledger: Ledger) -> None:
    with loopback() as server:
        drafts = buy(
            server.base_url, ledger, 1, options={"temperature": 0.7, "seed": 3}
        )
        assert (
            buy(server.base_url, ledger, 1, options={"seed": 3, "temperature": 0.7})
            == drafts
        )
        assert server.calls == 2


def test_a_pick_that_is_there_twice_is_a_bug(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="twice"):
        buy_picks([*picks(1), *picks(1)], closed_port(), ledger)


@pytest.mark.parametrize("name", ["math", "neutral"])
def test_the_shipped_prompts_say_what_is_parsed(ledger: Ledger, name: str) -> None:
    prompts = load_prompts(name)
    twice = [Pick("s0", n, n, None) for n in range(2)]
    with loopback() as server:
        drafts = buy_picks(twice, server.base_url, ledger, prompts=prompts)
    assert all(good(draft) and draft.prompt == prompts.sha256 for draft in drafts)
    assert drafts[0].question != drafts[1].question
    asked = [
        request.prompt for request in server.requests if request.role == "question"
    ]
    assert all(
        "<question> and </question>" in prompt and SEEDS["s0"].question in prompt
        for prompt in asked
    )
    answers = [
        request.prompt for request in server.requests if request.role == "answer"
    ]
    assert len(answers) == 2
    assert all("Answer: <final answer>" in prompt for prompt in answers)
