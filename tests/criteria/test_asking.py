"""`judge`, `lion` and `reward`: what they make of marks, gaps and rewards; and of a small model's
real verdicts.
"""

import asyncio
import json
import math
import re
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any
from zlib import crc32

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

import serving_student
from teachback.criteria.evidence import Evidence
from teachback.criteria.judge import judge
from teachback.criteria.lion import lion
from teachback.criteria.reward import reward
from teachback.endpoints.endpoint import Endpoint
from teachback.errors import CriterionError
from teachback.ledger.ledger import Ledger
from teachback.rng import draw
from teachback.student.attempt import decode_text
from teachback.student.chat import Chat, prompt_ids
from teachback.student.inference import load_for_inference
from teachback.student.training.finetune import Recipe, finetune
from teachback.teachers.judge_gaps import compare_answers, make_referee_messages
from teachback.teachers.judge_marks import SeedAttempt, mark_attempts
from teachback.teachers.prompted_model import Opinion, PromptedModel
from teachback.types import Attempt, Example


def make_evidence(
    count: int, candidates: Sequence[int] | None = None, **fields: Any
) -> Evidence:
    seeds = [Example(f"s{i:02}", f"Question {i}?") for i in range(count)]
    attempts = [Attempt(seed.id, "So.", 2, False, 1.0) for seed in seeds]
    return Evidence(
        seeds, attempts, range(count) if candidates is None else candidates, **fields
    )


def draws(repeat: int = 0) -> Any:
    return lambda seed: draw(0, repeat, "select", seed, 0)


def test_a_low_mark_is_worth_more_and_no_mark_is_no_score() -> None:
    scores = judge(make_evidence(4, [0, 1, 3], marks=[10, 1.0, None, 4]))
    assert [scores[0], scores[1], scores[3]] == [-10.0, -1.0, -4.0]
    assert math.isnan(scores[2])


def test_a_low_reward_is_worth_more_unless_high_is_preferred() -> None:
    evidence = make_evidence(3, reward=[-2.5, 0.0, 7.25])
    assert reward(evidence) == [2.5, 0.0, -7.25]
    assert reward(evidence, prefer="high") == [-2.5, 0.0, 7.25]


GAP_LISTS = st.lists(
    st.one_of(st.none(), st.sampled_from([-9.0, -1.0, 0.0, 0.5, 1.0, 1.5, 9.0])),
    min_size=1,
    max_size=14,
)


@given(gaps=GAP_LISTS, data=st.data())
def test_half_is_hard_and_half_easy_or_the_other_fills_up(
    gaps: list[float | None], data: st.DataObject
) -> None:
    candidates = sorted(data.draw(st.sets(st.sampled_from(range(len(gaps))))))
    known_gaps = {i: gap for i in candidates if (gap := gaps[i]) is not None}
    m = data.draw(st.integers(0, len(known_gaps)))
    picks = lion(make_evidence(len(gaps), candidates, gaps=gaps), m, draws())
    assert len(picks) == len(set(picks)) == m
    assert set(picks) <= set(known_gaps)
    is_hard = [known_gaps[i] >= 1 for i in picks]
    n_hard = sum(is_hard)
    n_easy = m - n_hard
    available = Counter(gap >= 1 for gap in known_gaps.values())
    assert n_hard <= n_easy + 1 or n_easy == available[False], (
        "as even as can be, of an odd m one more is hard"
    )
    assert n_easy <= n_hard or n_hard == available[True]
    n_pairs = min(n_hard, n_easy)
    assert is_hard[: 2 * n_pairs] == [True, False] * n_pairs, (
        "by turns, so that a round cut short has both"
    )


def test_one_mark_above_is_hard() -> None:
    for gaps, hard in (([1.0, 0.5, 0.5, 0.5], 0), ([-9.0, 0.0, 0.5, 9.0], 3)):
        assert all(
            lion(make_evidence(4, gaps=gaps), 2, draws(repeat))[0] == hard
            for repeat in range(20)
        )


def test_within_each_half_every_seed_has_the_same_chance() -> None:
    gaps = [3.0] * 8 + [0.0] * 4
    counts = Counter(
        i
        for repeat in range(1500)
        for i in lion(make_evidence(12, gaps=gaps), 6, draws(repeat))
    )
    assert all(abs(counts[i] / 1500 - 3 / 8) < 0.05 for i in range(8))
    assert all(abs(counts[i] / 1500 - 3 / 4) < 0.05 for i in range(8, 12))


def test_fewer_gaps_than_picks_is_an_error() -> None:
    with pytest.raises(
        CriterionError,
        match=r"can't select 3 seeds\n  got: 2 that the referee could compare",
    ):
        lion(make_evidence(4, gaps=[1.0, None, None, 0.0]), 3, draws())


# A small model behind a real endpoint. It is half trained, so that it gives verdicts, and fails
# as models do.

MARK = "Mark {attempt} to {question}"
COMPARE = "Compare to {question}: {first} and {second}"
VERDICT = r"Mark 1: (10|[1-9])\nMark 2: (10|[1-9])"
SEED_ATTEMPTS = [SeedAttempt(f"s{i:02}", str(i % 7), str(i % 9 + 1)) for i in range(30)]


@pytest.fixture(scope="module")
def assessor(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that has seen enough marks to write them, often."""
    dice = Random(0)

    def number() -> int:
        return dice.randint(1, 10)

    rows = [
        (MARK.format(attempt=number(), question=number()), f"Mark: {number()}")
        for _ in range(150)
    ]
    rows += [
        (
            COMPARE.format(question=number(), first=number(), second=number()),
            f"Mark 1: {number()}\nMark 2: {number()}",
        )
        for _ in range(150)
    ]
    folder = tmp_path_factory.mktemp("assessor")
    return finetune(
        tiny,
        rows,
        folder,
        chat=Chat(),
        recipe=Recipe(lr=1e-2, epochs=3, rows_per_step=8),
        seed=0,
    )


@contextmanager
def serve_chat(folder: Path) -> Iterator[str]:
    """The base URL of a chat-completions server for the model, in a thread of its own."""
    service = serving_student.Service(
        "m", folder, {"m": load_for_inference(folder)}, asyncio.Lock()
    )

    async def chat(http: web.Request) -> web.Response:
        body = await http.json()
        question = body["messages"][-1]["content"]
        prompt = prompt_ids(service.students["m"], Chat(), question)
        # The same reply to the same question, whatever the order of the calls.
        body["seed"] = crc32(question.encode())
        async with service.lock:
            (reply,) = await asyncio.to_thread(
                serving_student.decoded_by, service.students["m"], prompt, body
            )
        message = {
            "role": "assistant",
            "content": decode_text(service.students["m"], reply.tokens),
        }
        usage = {"prompt_tokens": len(prompt), "completion_tokens": len(reply.tokens)}
        finish = "stop" if reply.has_ended else "length"
        return web.json_response(
            {"choices": [{"message": message, "finish_reason": finish}], "usage": usage}
        )

    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    ready = threading.Event()
    base_urls: list[str] = []

    async def serve() -> None:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", chat)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        base_urls.append(f"http://127.0.0.1:{runner.addresses[0][1]}/v1")
        ready.set()
        await stop.wait()
        await runner.cleanup()

    thread = threading.Thread(
        target=lambda: loop.run_until_complete(serve()), daemon=True
    )
    thread.start()
    assert ready.wait(20)
    try:
        yield base_urls[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


def reply_text(body: str) -> str:
    """The text of a reply; "" if it was cut off."""
    (choice,) = json.loads(body)["choices"]
    return choice["message"]["content"] if choice["finish_reason"] == "stop" else ""


def test_a_real_judge_fails_as_models_do_and_its_marks_are_what_it_said(
    assessor: Path, tmp_path: Path
) -> None:
    with serve_chat(assessor) as base_url, Ledger(tmp_path / "ledger.sqlite") as ledger:
        marking = PromptedModel(
            "marker",
            Endpoint(
                base_url=base_url, model="m", in_flight=4, options={"temperature": 1.1}
            ),
            MARK,
            24,
        )
        marks_by_seed = mark_attempts(marking, SEED_ATTEMPTS, round=0, ledger=ledger)
        replies = {seed: reply_text(body) for seed, _, body in ledger.answers("marker")}
        spend = ledger.spend()
    assert [*marks_by_seed] == [attempt.seed for attempt in SEED_ATTEMPTS]
    assert replies.keys() == marks_by_seed.keys()
    for seed, text in replies.items():
        if match := re.fullmatch(r"Mark: (10|[1-9])", text):
            assert marks_by_seed[seed].mark == int(match[1])
        elif not re.search(r"Mark.*[1-9]", text):
            assert marks_by_seed[seed].mark is None
    assert all((m.mark is None) == bool(m.reason) for m in marks_by_seed.values())
    marks = [marks_by_seed[attempt.seed].mark for attempt in SEED_ATTEMPTS]
    assert 0 < marks.count(None) < len(marks), (
        "a judge that does both, or this test shows nothing"
    )
    assert (spend.calls, spend.estimated_calls, spend.in_doubt_calls) == (
        len(SEED_ATTEMPTS),
        0,
        0,
    )
    candidates = [i for i, mark in enumerate(marks) if mark is not None]
    scores = judge(make_evidence(len(SEED_ATTEMPTS), candidates, marks=marks))
    assert [i for i, score in enumerate(scores) if math.isfinite(score)] == candidates


def test_a_real_referee_gives_a_gap_where_both_of_its_verdicts_can_be_read(
    assessor: Path, tmp_path: Path
) -> None:
    teacher = {
        attempt.seed: Opinion(attempt.seed, 0, str(10 + i % 4))
        for i, attempt in enumerate(SEED_ATTEMPTS)
    }
    with serve_chat(assessor) as base_url, Ledger(tmp_path / "ledger.sqlite") as ledger:
        refereeing = PromptedModel(
            "referee",
            Endpoint(
                base_url=base_url, model="m", in_flight=4, options={"temperature": 0.9}
            ),
            COMPARE,
            24,
        )
        gaps_by_seed = compare_answers(
            refereeing, SEED_ATTEMPTS, teacher, round=0, ledger=ledger
        )
        replies = {
            (seed, n): reply_text(body) for seed, n, body in ledger.answers("referee")
        }
    for attempt in SEED_ATTEMPTS:
        seed = attempt.seed
        messages = make_referee_messages(refereeing, attempt, str(teacher[seed].text))
        texts = [replies[seed, message.n] for message in messages]
        matches = [re.fullmatch(VERDICT, text) for text in texts]
        if matches[0] and matches[1]:
            # The second message shows the two answers in the other order.
            teacher_1, student_1 = map(int, matches[0].groups())
            student_2, teacher_2 = map(int, matches[1].groups())
            gap = (teacher_1 - student_1 + teacher_2 - student_2) / 2
            assert gaps_by_seed[seed].gap == gap
        elif not all(
            re.search(r"Mark 1.*[1-9]\s+Mark 2.*[1-9]", text) for text in texts
        ):
            assert gaps_by_seed[seed].gap is None
    gaps = [gaps_by_seed[attempt.seed].gap for attempt in SEED_ATTEMPTS]
    assert all((g.gap is None) == bool(g.reason) for g in gaps_by_seed.values())
    assert 0 < gaps.count(None) < len(gaps) - 2, (
        "a referee that does both, or this test shows nothing"
    )
    evidence = make_evidence(len(SEED_ATTEMPTS), gaps=gaps)
    assert all(gaps[i] is not None for i in lion(evidence, 3, draws()))
