"""The openai teacher against a real server on this machine, with every fault that such servers show."""

import json
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loopback import Fault, Request, additions, loopback
from teachback.errors import ConfigError, InputsChanged, LedgerError, TeacherDown
from teachback.ledger import Budget, Ledger, Usage
from teachback.teachers import openai
from teachback.teachers.chat import read_usage
from teachback.teachers.openai import Endpoint, Prompts, generate, load_prompts
from teachback.types import Draft, Example, Pick

SEEDS = {
    f"s{i}": Example(f"s{i}", f"Seed {i}: Ann has {i} pears and buys {i + 2}. How many has she?") for i in range(12)
}
PROMPTS = Prompts("Like <question>{question}</question>, number {n}.", "Solve: {question}", "f" * 64)
KEY = "sk-secret-0123456789-abcdef"


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai, "BACKOFF_S", 0.005)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    with Ledger(path) as ledger:
        yield ledger


def picks(count: int) -> list[Pick]:
    return [Pick(f"s{i}", 0, i, None) for i in range(count)]


def endpoint(base_url: str = "http://127.0.0.1:9/v1", **changes: Any) -> Endpoint:
    plain = Endpoint("http://host", "m", None, max_tokens_question=40, max_tokens_answer=60, deadline_s=5)
    return replace(plain, **{"base_url": base_url, **changes})


def buy(
    base_url: str, ledger: Ledger, count: int = 6, seeds: Mapping[str, Example] = SEEDS, **changes: Any
) -> tuple[Draft, ...]:
    endpoint_ = endpoint(base_url, **changes)
    return generate(picks(count), seeds, round=0, ledger=ledger, endpoint=endpoint_, prompts=PROMPTS)


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    db = sqlite3.connect(path)
    try:
        return db.execute(query).fetchall()
    finally:
        db.close()


def good(draft: Draft) -> bool:
    """An addition, solved, in two calls."""
    if draft.reason is not None or draft.question is None or draft.text is None or len(draft.calls) != 2:
        return False
    first, second = draft.question.removeprefix("What is ").removesuffix("?").split(" + ")
    return draft.text.endswith(f"\nAnswer: {int(first) + int(second)}")


def only(fault: Fault, at: int) -> Callable[[Request], Fault | None]:
    return lambda request: fault if request.at == at else None


def about(fault: Fault, *seeds: int) -> Callable[[Request], Fault | None]:
    """The fault whenever the question from one of these seeds is asked."""
    return lambda request: fault if any(f"Seed {seed}:" in request.prompt for seed in seeds) else None


def closed_port() -> str:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{held.getsockname()[1]}/v1"


def test_a_draft_for_each_pick_in_order_at_the_reported_cost(path: Path, ledger: Ledger) -> None:
    draws = random.Random(1)
    with loopback(latency_s=lambda request: draws.uniform(0, 0.05)) as server:
        drafts = buy(server.base_url, ledger, 12)
    assert [draft.seed for draft in drafts] == list(SEEDS)
    assert all(good(draft) and draft.prompt == PROMPTS.sha256 for draft in drafts)
    assert len({draft.question for draft in drafts}) == 12
    assert server.calls == 24
    asked = {request.prompt for request in server.requests}
    assert asked == {f"Like <question>{seed.question}</question>, number 0." for seed in SEEDS.values()} | {
        f"Solve: {draft.question}" for draft in drafts
    }
    for draft in drafts:  # the calls are this pair's, question first
        query = "SELECT seed, role, state FROM calls WHERE request = '{}'"
        found = [rows(path, query.format(call)) for call in draft.calls]
        assert found == [[(draft.seed, "question", "answered")], [(draft.seed, "answer", "answered")]]
    spend = ledger.spend()
    assert spend.input_tokens == sum(4 + len(request.prompt.split()) for request in server.requests)
    assert (spend.pairs, spend.calls, spend.held_tokens, spend.estimated_calls) == (12, 24, 0, 0)


def test_the_request_has_the_fields_that_are_set_and_no_others(ledger: Ledger) -> None:
    with loopback() as server:
        buy(server.base_url, ledger, 1)
        options = {"temperature": 0.7, "top_p": None}
        again = [Pick("s1", 3, 0, None)]
        other = endpoint(server.base_url + "/", options=options, cap_field="max_completion_tokens")
        generate(again, SEEDS, round=0, ledger=ledger, endpoint=other, prompts=PROMPTS)
    plain, _, rich, answer = (request.body for request in server.requests)
    assert plain.keys() == {"model", "messages", "max_tokens"}
    assert plain["model"] == "m"
    assert plain["max_tokens"] == 40
    assert [message["role"] for message in plain["messages"]] == ["user"]
    assert rich.keys() == {"model", "messages", "max_completion_tokens", "temperature", "top_p"}
    assert (rich["temperature"], rich["top_p"], answer["max_completion_tokens"]) == (0.7, None, 60)
    assert "number 3." in rich["messages"][0]["content"]


@pytest.mark.parametrize("at", [0, 7])
@pytest.mark.parametrize(
    ("fault", "state", "reason"),
    [
        (Fault("hang"), "in_doubt", "nothing within 1 s"),
        (Fault("reset"), "in_doubt", "connection lost after sending"),
        (Fault("status", 429), "refused", "HTTP 429: a fault that the test asked for"),
        (Fault("status", 500), "refused", "HTTP 500: a fault that the test asked for"),
        (Fault("status", 503), "refused", "HTTP 503: a fault that the test asked for"),
    ],
    ids=lambda value: f"{value.kind}{value.status}" if isinstance(value, Fault) else None,
)
def test_a_lost_try_is_tried_again(path: Path, ledger: Ledger, fault: Fault, state: str, reason: str, at: int) -> None:
    with loopback(faults=only(fault, at)) as server:
        drafts = buy(server.base_url, ledger, deadline_s=1)
    assert len(drafts) == 6
    assert all(map(good, drafts))
    assert server.calls == 13
    ((found, why, worst),) = rows(path, "SELECT state, reason, worst FROM calls WHERE state != 'answered'")
    assert found == state
    assert why.startswith(reason)
    assert ledger.spend().in_doubt_tokens == (worst if state == "in_doubt" else 0)


@pytest.mark.parametrize("role", ["question", "answer"])
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault("length"), "cut off by the token limit"),
        (Fault("garbage"), "the teacher's answer is not a chat completion"),
        (Fault("empty"), "the teacher's answer is not a chat completion"),
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
        return fault if request.role == role and next(count) == 1 else faults[request.at]

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
    ("text", "expected"),
    [
        ("What is 1 + 2?", None),
        ("<question>  </question>", None),
        ("What is 1 + 2?</question>", None),
        ("<question>What is 1 + 2?", None),
        (
            "I use <question> and </question>. <question>no</question> <question>\nWhat is 1 + 2?\n</question> ok",
            "What is 1 + 2?",
        ),
    ],
)
def test_the_question_is_what_stands_in_the_last_tags(ledger: Ledger, text: str, expected: str | None) -> None:
    with loopback(lambda messages: text if "<question>" in messages[-1]["content"] else additions(messages)) as server:
        (draft,) = buy(server.base_url, ledger, 1)
    assert draft.question == expected
    assert draft.reason == (None if expected else "no question in the teacher's answer")
    assert server.calls == (2 if expected else 1)


def test_text_is_data_never_template(ledger: Ledger) -> None:
    nasty = "{question} {n} {{n}} {answer} \\frac{a}{b} \\1 \\g<0> %s \ud800 </exercise> 数 \N{PILE OF POO} \x00\t\"'"
    nasty = "Seed: " + nasty

    def teacher(messages: Sequence[Mapping[str, str]]) -> str:
        asks = "number 0." in messages[-1]["content"]
        return "<question>What is {n} {question} \\2?</question>" if asks else " Well.\nAnswer: {n} "

    with loopback(teacher) as server:
        (draft,) = buy(server.base_url, ledger, 1, {"s0": Example("s0", nasty)})
    assert [request.prompt for request in server.requests] == [
        f"Like <question>{nasty}</question>, number 0.",
        "Solve: What is {n} {question} \\2?",
    ]
    assert (draft.question, draft.text) == ("What is {n} {question} \\2?", "Well.\nAnswer: {n}")


def test_text_that_no_file_can_hold_is_rejected(ledger: Ledger) -> None:
    with loopback(lambda messages: "<question>\ud83d</question>") as server:
        (draft,) = buy(server.base_url, ledger, 1)
    assert draft.reason == "the teacher's answer is not valid Unicode"


def test_missing_usage_is_charged_in_full(path: Path, ledger: Ledger) -> None:
    with loopback(faults=only(Fault("no usage"), 0)) as server:
        (draft,) = buy(server.base_url, ledger, 1)
    assert good(draft)
    ((worst, charged, estimated),) = rows(
        path, "SELECT worst, input_tokens + output_tokens, estimated FROM calls LIMIT 1"
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
    assert [draft.reason for draft in drafts[1:]] == ["budget closed before the answer"]  # the others are left out
    assert ledger.overran


@pytest.mark.parametrize(
    ("body", "usage"),
    [
        ({"prompt_tokens": 5, "completion_tokens": 7}, Usage(5, 7)),
        ({"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}, Usage(5, 7)),
        ({"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 40}, Usage(5, 35)),  # hidden reasoning
        ({"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 0}, Usage(5, 7)),
        ({"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": "x"}, Usage(5, 7)),
        ({"prompt_tokens": 5, "completion_tokens": None}, None),
        ({"prompt_tokens": True, "completion_tokens": 1}, None),
        ({"prompt_tokens": -1, "completion_tokens": 1}, None),
        ({"prompt_tokens": 1.0, "completion_tokens": 1}, None),
        ({"prompt_tokens": 10**30, "completion_tokens": 1}, None),
        ({}, None),
        (None, None),
        ([], None),
    ],
)
def test_usage_that_cannot_be_read_is_none(body: object, usage: Usage | None) -> None:
    assert read_usage(json.dumps({"usage": body})) == usage


def worst_of_a_pair(endpoint: Endpoint) -> int:
    """Both requests at their longest, 64 tokens of template each, and the caps; for seed s0."""
    asked = endpoint.request("question", f"Like <question>{SEEDS['s0'].question}</question>, number 0.")
    answered = endpoint.request("answer", "Solve: " + "x" * 320)
    return len(asked) + 64 + 40 + len(answered) + 64 + 60


@pytest.mark.parametrize("length", [320, 321])
def test_the_reservation_covers_the_longest_question_let_through(path: Path, length: int) -> None:
    # Quotes and line ends are two bytes each in the request, the rest up to four: the bound counts what is sent.
    text = "数" * 10 + '"\n' * 20 + "\N{PILE OF POO}" * 5
    text += "x" * (length - 30 - 80 - 20)
    teacher = {True: f"<question>{text}</question>", False: "Answer: 1"}
    with loopback(lambda messages: teacher["number 0." in messages[-1]["content"]], lambda _: Fault("full")) as server:
        worst = worst_of_a_pair(endpoint(server.base_url))
        assert openai.price(SEEDS["s0"], 0, endpoint(server.base_url), PROMPTS) == worst
        with Ledger(path.with_name("less"), budget=Budget(teacher_tokens=worst - 1)) as ledger:
            assert buy(server.base_url, ledger, 1) == ()
        assert server.calls == 0
        with Ledger(path, budget=Budget(teacher_tokens=worst)) as ledger:
            (draft,) = buy(server.base_url, ledger, 1)
            assert not ledger.overran
    if length == 320:
        assert (draft.question, draft.text, draft.reason) == (text, "Answer: 1", None)
    else:
        assert (draft.question, draft.reason) == (None, "the teacher's question is longer than 320 bytes")
    assert server.calls == (2 if length == 320 else 1)


def test_a_retry_is_paid_from_the_budget_only(path: Path) -> None:
    long = f"<question>{'x' * 320}</question>"
    with loopback(lambda messages: long, lambda request: Fault("hang" if request.at == 1 else "full")) as server:
        worst = worst_of_a_pair(endpoint(server.base_url)) + 10
        with Ledger(path, budget=Budget(teacher_tokens=worst)) as ledger:
            (draft,) = drafts = buy(server.base_url, ledger, 1, deadline_s=0.7)
            assert buy(server.base_url, ledger, 1) == drafts
    assert draft.reason == "budget closed before a retry"
    assert draft.question is not None
    assert server.calls == 2


@pytest.mark.parametrize("share", [0.3, 0.6])
def test_what_the_budget_buys_does_not_depend_on_who_comes_back_first(path: Path, share: float) -> None:
    def bought(name: str, in_flight: int, latency_s: Callable[[Request], float], tokens: int | None) -> list[Draft]:
        budget = Budget(teacher_tokens=tokens)
        with loopback(latency_s=latency_s) as server, Ledger(path.with_name(name), budget=budget) as ledger:
            drafts = buy(server.base_url, ledger, 12, in_flight=in_flight)
            assert tokens is None or ledger.spend().tokens <= tokens
            return list(drafts)

    with loopback() as server, Ledger(path) as ledger:
        buy(server.base_url, ledger, 12)
        tokens = worst_of_a_pair(endpoint(server.base_url)) + int(share * ledger.spend().tokens)
    alone = bought("alone", 1, lambda request: 0.0, tokens)
    assert 2 < len(alone) < 11
    assert [draft.seed for draft in alone] == [f"s{i}" for i in range(len(alone))]
    for seed in range(4):
        draws = random.Random(seed)
        assert bought(f"seed{seed}", 4, lambda request, draws=draws: draws.uniform(0, 0.03), tokens) == alone  # type: ignore[misc]


@pytest.mark.parametrize("in_flight", [1, 4])
def test_nothing_behind_a_pair_that_does_not_fit_is_bought(path: Path, in_flight: int) -> None:
    """The first that fits would be bought in some orders of completion and not in others."""
    seeds = {**SEEDS, "s2": Example("s2", "Seed 2: " + "x" * 9000)}
    with loopback() as server, Ledger(path, budget=Budget(teacher_tokens=8000)) as ledger:
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
    assert few[1] == Draft("s1", 0, PROMPTS.sha256, reason="no answer in 3 tries: HTTP 500")
    assert [good(draft) for draft in every] == [True, False, True, True, True, True]


def test_the_window_slides(ledger: Ledger) -> None:
    """One slow pair holds one place, not the batch: the other eleven pass it."""
    start = time.monotonic()
    slow = about(Fault("hang"), 0)
    requests: list[Request] = []

    def held(request: Request) -> bool:
        if request not in requests:
            requests.append(request)
        return slow(request) is not None and len(requests) < 1 + 2 * 11 and time.monotonic() < start + 4

    with loopback(held=held) as server:
        drafts = buy(server.base_url, ledger, 12, in_flight=2)
    assert all(map(good, drafts))
    assert time.monotonic() < start + 4
    assert server.requests[-1].prompt == f"Solve: {drafts[0].question}"


def test_as_many_as_in_flight_at_a_time_and_no_more(ledger: Ledger) -> None:
    seeds = {f"s{i}": Example(f"s{i}", f"Seed {i}:") for i in range(140)}
    seen: list[float] = []  # when each of the first requests came, none being answered

    def held(request: Request) -> bool:
        if request.at == len(seen):
            seen.append(time.monotonic())
        full = len(seen) >= 130 and time.monotonic() > seen[129] + 0.1
        return request.at < 130 and not full and time.monotonic() < seen[0] + 8

    with loopback(held=held) as server:
        drafts = buy(server.base_url, ledger, 140, seeds, in_flight=130, deadline_s=30)
        first = server.requests[:131]
    assert len(drafts) == 140
    assert len(seen) >= 130
    assert seen[129] < seen[0] + 8  # aiohttp alone stops at 100 connections
    assert [request.role for request in first].count("question") == 130


@pytest.mark.parametrize("count", [1, 6])
def test_a_server_that_is_down_keeps_the_pairs_for_later(path: Path, count: int) -> None:
    url = closed_port()
    with Ledger(path) as ledger, pytest.raises(TeacherDown, match="no connection") as down:
        buy(url, ledger, count)
    assert down.value.exit_code == 4
    assert url in str(down.value)
    assert {state for (state,) in rows(path, "SELECT state FROM pairs")} == {"open"}
    assert {state for (state,) in rows(path, "SELECT state FROM calls")} == {"refused"}
    with loopback() as server, Ledger(path) as ledger:
        drafts = buy(server.base_url, ledger, count)
        assert server.calls == 2 * count
    assert len(drafts) == count
    assert all(map(good, drafts))


def test_a_server_that_goes_down_midway_keeps_what_was_bought(path: Path) -> None:
    gone = lambda request: Fault("status", 503) if request.at >= 7 else None  # noqa: E731
    with loopback(faults=gone) as server, Ledger(path) as ledger, pytest.raises(TeacherDown, match="HTTP 503"):
        buy(server.base_url, ledger, 12, in_flight=2, tries=2)
    assert rows(path, "SELECT count(*) FROM pairs WHERE state = 'failed'") == [(0,)]
    with loopback() as server, Ledger(path) as ledger:
        drafts = buy(server.base_url, ledger, 12)
    assert all(map(good, drafts))
    assert server.calls == 24 - 7


def test_a_teacher_that_never_answers_is_down_but_two_silent_pairs_are_not(path: Path) -> None:
    with loopback(faults=lambda request: Fault("status", 500)) as server:
        with Ledger(path) as ledger, pytest.raises(TeacherDown, match="last 3 pairs"):
            buy(server.base_url, ledger, 3)
        with Ledger(path.with_name("two")) as ledger:
            assert [draft.reason for draft in buy(server.base_url, ledger, 2)] == ["no answer in 3 tries: HTTP 500"] * 2
    with loopback(faults=about(Fault("status", 500), 1, 2, 3)) as server, Ledger(path.with_name("three")) as ledger:
        buy(server.base_url, ledger, 1)  # it answered earlier: three bad pairs at the end don't stop the run for ever
        drafts = buy(server.base_url, ledger, 4)
    assert [draft.reason is None for draft in drafts] == [True, False, False, False]


@pytest.mark.parametrize("status", [429, 503])
def test_a_pair_turned_away_unread_is_asked_again_later(path: Path, status: int) -> None:
    with loopback(faults=lambda request: Fault("status", status) if request.at < 3 else None) as server:
        with Ledger(path) as ledger, pytest.raises(TeacherDown, match=f"HTTP {status}"):
            buy(server.base_url, ledger, 1)
        with Ledger(path) as ledger:
            assert all(map(good, buy(server.base_url, ledger, 1)))


def test_a_silent_window_stops_the_run_without_asking_the_rest(path: Path) -> None:
    with loopback(faults=lambda request: Fault("hang")) as server, Ledger(path) as ledger:
        with pytest.raises(TeacherDown, match=r"last 4 pairs.*nothing within 0\.2 s".replace(".*", r"(.|\n)*")):
            buy(server.base_url, ledger, 12, in_flight=4, tries=1, deadline_s=0.2)
        assert server.calls == 4
        assert ledger.spend().in_doubt_calls == 4


def test_an_answer_to_another_pair_shows_that_the_fault_is_the_pairs(ledger: Ledger) -> None:
    with loopback(faults=about(Fault("status", 429), 0, 1)) as server:
        drafts = buy(server.base_url, ledger, in_flight=1)
    assert [draft.reason for draft in drafts] == ["no answer in 3 tries: HTTP 429"] * 2 + [None] * 4
    assert ledger.spend().pairs == 4  # what cost nothing does not count as generated


def test_retry_after_is_kept_up_to_a_cap(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai, "BACKOFF_CAP_S", 0.4)
    for n, (seconds, least) in enumerate(
        [("0", 0.0), ("3600", 0.4), ("Fri, 31 Dec 1999 23:59:59 GMT", 0.0), ("-1", 0.0)]
    ):
        start = time.monotonic()
        with loopback(faults=only(Fault("status", 429, headers={"Retry-After": str(seconds)}), 0)) as server:
            drafts = generate(
                [Pick("s0", n, 0, None)],
                SEEDS,
                round=0,
                ledger=ledger,
                endpoint=endpoint(server.base_url),
                prompts=PROMPTS,
            )
            took = time.monotonic() - start
        assert all(map(good, drafts))
        assert least <= took < least + 3


def test_an_error_does_not_wait_for_a_pause_to_end(ledger: Ledger) -> None:
    def faults(request: Request) -> Fault | None:
        if "Seed 0:" in request.prompt:
            return Fault("status", 429, headers={"Retry-After": "30"})
        return Fault("status", 401)

    with loopback(faults=faults, latency_s=lambda request: 0.2 if "Seed 1:" in request.prompt else 0.0) as server:
        start = time.monotonic()
        with pytest.raises(TeacherDown, match="401"):
            buy(server.base_url, ledger, 2)
        assert time.monotonic() - start < 10


@pytest.mark.parametrize("method", ["reserve", "answered"])
def test_an_error_of_the_ledger_comes_out_as_it_is(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    def broken(*_: object) -> None:
        raise LedgerError("the disk is gone")

    monkeypatch.setattr(ledger, method, broken)
    with loopback() as server, pytest.raises(LedgerError, match="the disk is gone"):
        buy(server.base_url, ledger, 6)


@pytest.mark.parametrize(
    ("status", "hint"),
    [(401, "THE_KEY"), (403, "THE_KEY"), (404, "base_url"), (302, "base_url")],
)
def test_a_refusal_stops_at_once_with_the_likely_fix(
    path: Path, monkeypatch: pytest.MonkeyPatch, status: int, hint: str
) -> None:
    monkeypatch.setenv("THE_KEY", KEY)
    fault = Fault("status", status, body="y" * 200 + "z", headers={"Location": "/v1/chat/completions"})
    refused = about(fault, 1)
    with loopback(faults=refused, latency_s=lambda request: 0.0 if refused(request) else 0.4) as server:
        with Ledger(path) as ledger, pytest.raises(TeacherDown) as down:
            buy(server.base_url, ledger, 6, in_flight=2, key_env="THE_KEY")
        assert server.calls == 2
        said = str(down.value)
        assert f"HTTP {status} from {server.base_url}/chat/completions" in said
        assert "y" * 200 in said
        assert "z" not in said
        assert hint in said.rpartition("fix:")[2]
    # What was in flight is paid for, so it was let finish; and the pairs are asked again.
    states = rows(path, "SELECT seed, role, state FROM calls ORDER BY seed")
    assert states == [("s0", "question", "answered"), ("s1", "question", "refused")]
    with loopback() as server, Ledger(path) as ledger:
        assert all(map(good, buy(server.base_url, ledger, 6)))
    assert server.calls == 11


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_refusal_that_may_be_about_one_request_costs_its_pair_only(path: Path, status: int) -> None:
    """A content filter, say: not tried again, and the run goes on."""
    with loopback(faults=about(Fault("status", status, body="filtered"), 1)) as server, Ledger(path) as ledger:
        drafts = buy(server.base_url, ledger, 6)
        assert [good(draft) for draft in drafts] == [True, False, True, True, True, True]
        assert drafts[1].reason == f"refused: HTTP {status}: filtered"
        assert server.calls == 11
        assert ledger.spend().pairs == 5


def test_a_refusal_of_every_request_stops(path: Path) -> None:
    with loopback(faults=lambda request: Fault("status", 400, body="no such option")) as server, Ledger(path) as ledger:
        with pytest.raises(TeacherDown, match=r"got: HTTP 400: no such option\n.*options"):
            buy(server.base_url, ledger, 6)
        assert server.calls <= 6
    with loopback() as server, Ledger(path) as ledger:
        assert all(map(good, buy(server.base_url, ledger, 6)))


def test_the_key_is_sent_and_kept_nowhere(tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_KEY", f" {KEY}\n")
    faults = [Fault("status", 500, body=f"bad {KEY}"), Fault("reset")]

    def teacher(messages: Sequence[Mapping[str, str]]) -> str:
        return additions(messages) if "<question>" in messages[-1]["content"] else f"You sent {KEY}.\nAnswer: 1"

    with Ledger(path) as ledger:
        with loopback(teacher, faults) as server:
            drafts = buy(server.base_url, ledger, 2, key_env="THE_KEY", in_flight=1)
            assert {request.headers["Authorization"] for request in server.requests} == {f"Bearer {KEY}"}
        assert {draft.text for draft in drafts} == {"You sent [key].\nAnswer: 1"}
        with (
            loopback(faults=lambda request: Fault("status", 401, body=f"Incorrect key: {KEY}")) as server,
            pytest.raises(TeacherDown, match="Incorrect key") as refused,
        ):
            buy(server.base_url, ledger, 3, key_env="THE_KEY")
        with pytest.raises(TeacherDown) as down:
            buy(closed_port(), ledger, 3, key_env="THE_KEY")
        files = [file for file in tmp_path.iterdir() if file.name.startswith(path.name)]
        assert b"Incorrect key" in b"".join(file.read_bytes() for file in files)
        for kept in [*(file.read_bytes() for file in files), repr((drafts, refused.value, down.value)).encode()]:
            assert KEY.encode() not in kept


def test_the_key_comes_from_its_variable_only(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    for value in (None, "", " "):
        monkeypatch.delenv("THE_KEY", raising=False)
        if value is not None:
            monkeypatch.setenv("THE_KEY", value)
        with pytest.raises(ConfigError, match="environment variable THE_KEY"):
            buy("http://127.0.0.1:9/v1", ledger, 1, key_env="THE_KEY")
    with loopback() as server:
        buy(server.base_url, ledger, 1)
    assert all("Authorization" not in request.headers for request in server.requests)


def test_an_interrupt_leaves_no_call_open_and_can_be_resumed(path: Path, ledger: Ledger) -> None:
    main = threading.main_thread().ident
    assert main is not None

    def interrupt(request: Request) -> Fault:
        if request.at == 2:
            signal.pthread_kill(main, signal.SIGINT)
        return Fault("hang")

    with loopback(faults=interrupt) as server:
        start = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            buy(server.base_url, ledger, 6, in_flight=3, deadline_s=30)
        assert time.monotonic() - start < 5
    assert rows(path, "SELECT state, reason FROM calls") == [("in_doubt", "interrupted")] * 3
    with loopback() as server:
        drafts = buy(server.base_url, ledger, 6)
    assert len(drafts) == 6
    assert all(map(good, drafts))


def test_a_settled_pair_is_not_bought_again_for_another_prompt(ledger: Ledger) -> None:
    with loopback() as server:
        buy(server.base_url, ledger, 2)
        with pytest.raises(InputsChanged, match="another request"):
            buy(server.base_url, ledger, 2, model="other")
        assert server.calls == 4


def test_the_order_of_the_options_does_not_matter(ledger: Ledger) -> None:
    with loopback() as server:
        drafts = buy(server.base_url, ledger, 1, options={"temperature": 0.7, "seed": 3})
        assert buy(server.base_url, ledger, 1, options={"seed": 3, "temperature": 0.7}) == drafts
        assert server.calls == 2


def test_a_pick_that_is_there_twice_is_a_bug(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="twice"):
        generate(
            [*picks(1), *picks(1)], SEEDS, round=0, ledger=ledger, endpoint=endpoint(closed_port()), prompts=PROMPTS
        )


@pytest.mark.parametrize("name", ["math", "neutral"])
def test_the_shipped_prompts_say_what_is_parsed(ledger: Ledger, name: str) -> None:
    prompts = load_prompts(name)
    twice = [Pick("s0", n, n, None) for n in range(2)]
    with loopback() as server:
        drafts = generate(twice, SEEDS, round=0, ledger=ledger, endpoint=endpoint(server.base_url), prompts=prompts)
    assert all(good(draft) and draft.prompt == prompts.sha256 for draft in drafts)
    assert drafts[0].question != drafts[1].question
    asked = [request.prompt for request in server.requests if request.role == "question"]
    assert all("<question> and </question>" in prompt and SEEDS["s0"].question in prompt for prompt in asked)
    answers = [request.prompt for request in server.requests if request.role == "answer"]
    assert len(answers) == 2
    assert all("Answer: <final answer>" in prompt for prompt in answers)


def test_prompts_from_a_folder(tmp_path: Path) -> None:
    def write(question: str, answer: str) -> Prompts:
        (tmp_path / "question.txt").write_text(question, encoding="utf-8")
        (tmp_path / "answer.txt").write_text(answer, encoding="utf-8")
        return load_prompts(tmp_path)

    plain = write("{n} {question} { a } {} {1}", "{question}\n")
    assert (plain.question, plain.answer) == ("{n} {question} { a } {} {1}", "{question}\n")
    assert write(plain.question, plain.answer) == plain
    assert (
        len({plain.sha256, write("{n}{question}", "{question}\n").sha256, write(plain.question, "{question}").sha256})
        == 3
    )
    for question, answer, wrong in (
        ("{n} {question} {seed}", "{question}", "seed"),
        ("{question}", "{question}", "question.txt"),
        ("{n} {question}", "{question} {n}", "answer.txt"),
        ("{n} {question}", "Solve", "none"),
    ):
        with pytest.raises(ConfigError, match=wrong):
            write(question, answer)
    (tmp_path / "answer.txt").unlink()
    with pytest.raises(ConfigError, match=r"answer\.txt"):
        load_prompts(tmp_path)
    with pytest.raises(ConfigError, match="math, neutral"):
        load_prompts("maths")


@pytest.mark.parametrize(
    "changes",
    [
        {"base_url": "localhost:8000/v1"},
        {"base_url": "http://me:secret@host/v1"},
        {"in_flight": 0},
        {"tries": 0},
        {"deadline_s": float("nan")},
        {"max_tokens_answer": -1},
        {"options": {"max_tokens": 3}},
        {"options": {"n": 2}},
    ],
)
def test_an_endpoint_that_cannot_work_is_refused(changes: Mapping[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(changes))) as refused:
        endpoint(**changes)
    assert "secret" not in str(refused.value)


def test_importing_the_teacher_does_not_load_aiohttp() -> None:
    code = "import sys, teachback.teachers.openai; sys.exit('aiohttp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
