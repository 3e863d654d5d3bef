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


def evidence(
    count: int, candidates: Sequence[int] | None = None, **known: Any
) -> Evidence:
    seeds = [Example(f"s{i:02}", f"Question {i}?") for i in range(count)]
    attempts = [Attempt(seed.id, "So.", 2, False, 1.0) for seed in seeds]
    return Evidence(
        seeds, attempts, range(count) if candidates is None else candidates, **known
    )


def draws(repeat: int = 0) -> Any:
    return lambda seed: draw(0, repeat, "select", seed, 0)


def test_a_low_mark_is_worth_more_and_no_mark_is_no_score() -> None:
    scores = judge(evidence(4, [0, 1, 3], marks=[10, 1.0, None, 4]))
    assert [scores[0], scores[1], scores[3]] == [-10.0, -1.0, -4.0]
    assert math.isnan(scores[2])


def test_a_low_reward_is_worth_more_unless_high_is_preferred() -> None:
    seen = evidence(3, reward=[-2.5, 0.0, 7.25])
    assert reward(seen) == [2.5, 0.0, -7.25]
    assert reward(seen, prefer="high") == [-2.5, 0.0, 7.25]


GAPS = st.lists(
    st.one_of(st.none(), st.sampled_from([-9.0, -1.0, 0.0, 0.5, 1.0, 1.5, 9.0])),
    min_size=1,
    max_size=14,
)


@given(gaps=GAPS, data=st.data())
def test_half_is_hard_and_half_easy_or_the_other_fills_up(
    gaps: list[float | None], data: st.DataObject
) -> None:
    candidates = sorted(data.draw(st.sets(st.sampled_from(range(len(gaps))))))
    known = {i: gap for i in candidates if (gap := gaps[i]) is not None}
    m = data.draw(st.integers(0, len(known)))
    chosen = lion(evidence(len(gaps), candidates, gaps=gaps), m, draws())
    assert len(chosen) == len(set(chosen)) == m
    assert set(chosen) <= set(known)
    turns = [known[i] >= 1 for i in chosen]
    hard, easy = sum(turns), m - sum(turns)
    there = Counter(gap >= 1 for gap in known.values())
    assert hard <= easy + 1 or easy == there[False], (
        "as even as can be, of an odd m one more is hard"
    )
    assert easy <= hard or hard == there[True]
    both = 2 * min(hard, easy)
    assert turns[:both] == [True, False] * (both // 2), (
        "by turns, so that a round cut short has both"
    )


def test_one_mark_above_is_hard() -> None:
    for gaps, hard in (([1.0, 0.5, 0.5, 0.5], 0), ([-9.0, 0.0, 0.5, 9.0], 3)):
        assert all(
            lion(evidence(4, gaps=gaps), 2, draws(repeat))[0] == hard
            for repeat in range(20)
        )


def test_within_each_half_every_seed_has_the_same_chance() -> None:
    gaps = [3.0] * 8 + [0.0] * 4
    counts = Counter(
        i
        for repeat in range(1500)
        for i in lion(evidence(12, gaps=gaps), 6, draws(repeat))
    )
    assert all(abs(counts[i] / 1500 - 3 / 8) < 0.05 for i in range(8))
    assert all(abs(counts[i] / 1500 - 3 / 4) < 0.05 for i in range(8, 12))


def test_fewer_gaps_than_picks_is_an_error() -> None:
    with pytest.raises(
        CriterionError,
        match=r"can't select 3 seeds\n  got: 2 that the referee could compare",
    ):
        lion(evidence(4, gaps=[1.0, None, None, 0.0]), 3, draws())


# A small model behind a real endpoint: half trained, so that it gives verdicts, and fails as
# models do

MARK, COMPARE = (
    "Mark {attempt} to {question}",
    "Compare to {question}: {first} and {second}",
)
TRIED = [SeedAttempt(f"s{i:02}", str(i % 7), str(i % 9 + 1)) for i in range(30)]


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
def answering(folder: Path) -> Iterator[str]:
    """The base URL of a chat-completions server for the model, in a thread of its own."""
    service = serving_student.Service(
        "m", folder, {"m": load_for_inference(folder)}, asyncio.Lock()
    )

    async def chat(http: web.Request) -> web.Response:
        body = await http.json()
        asked = body["messages"][-1]["content"]
        prompt, body["seed"] = (
            prompt_ids(service.students["m"], Chat(), asked),
            crc32(asked.encode()),
        )
        async with service.lock:
            (one,) = await asyncio.to_thread(
                serving_student.decoded_by, service.students["m"], prompt, body
            )
        message = {
            "role": "assistant",
            "content": decode_text(service.students["m"], one.tokens),
        }
        usage = {"prompt_tokens": len(prompt), "completion_tokens": len(one.tokens)}
        finish = "stop" if one.ended else "length"
        return web.json_response(
            {"choices": [{"message": message, "finish_reason": finish}], "usage": usage}
        )

    loop, stop, ready, base = (
        asyncio.new_event_loop(),
        asyncio.Event(),
        threading.Event(),
        list[str](),
    )

    async def serve() -> None:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", chat)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        base.append(f"http://127.0.0.1:{runner.addresses[0][1]}/v1")
        ready.set()
        await stop.wait()
        await runner.cleanup()

    thread = threading.Thread(
        target=lambda: loop.run_until_complete(serve()), daemon=True
    )
    thread.start()
    assert ready.wait(20)
    try:
        yield base[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


def said(body: str) -> str:
    """What the model said; nothing where it was cut off."""
    (choice,) = json.loads(body)["choices"]
    return choice["message"]["content"] if choice["finish_reason"] == "stop" else ""


def test_a_real_judge_fails_as_models_do_and_its_marks_are_what_it_said(
    assessor: Path, tmp_path: Path
) -> None:
    with answering(assessor) as base_url, Ledger(tmp_path / "ledger.sqlite") as ledger:
        marking = PromptedModel(
            "marker",
            Endpoint(
                base_url=base_url, model="m", in_flight=4, options={"temperature": 1.1}
            ),
            MARK,
            24,
        )
        found = mark_attempts(marking, TRIED, round=0, ledger=ledger)
        replies = {seed: said(body) for seed, _, body in ledger.answers("marker")}
        spend = ledger.spend()
    assert [*found] == [one.seed for one in TRIED]
    assert replies.keys() == found.keys()
    for seed, text in replies.items():
        if whole := re.fullmatch(r"Mark: (10|[1-9])", text):
            assert found[seed].mark == int(whole[1])
        elif not re.search(r"Mark.*[1-9]", text):
            assert found[seed].mark is None
    assert all((one.mark is None) == bool(one.reason) for one in found.values())
    marks = [found[one.seed].mark for one in TRIED]
    assert 0 < marks.count(None) < len(marks), (
        "a judge that does both, or this test shows nothing"
    )
    assert (spend.calls, spend.estimated_calls, spend.in_doubt_calls) == (
        len(TRIED),
        0,
        0,
    )
    seen = evidence(
        len(TRIED), [i for i, mark in enumerate(marks) if mark is not None], marks=marks
    )
    assert [
        i for i, score in enumerate(judge(seen)) if math.isfinite(score)
    ] == seen.candidates


def test_a_real_referee_gives_a_gap_where_both_of_its_verdicts_can_be_read(
    assessor: Path, tmp_path: Path
) -> None:
    teacher = {
        one.seed: Opinion(one.seed, 0, str(10 + i % 4)) for i, one in enumerate(TRIED)
    }
    with answering(assessor) as base_url, Ledger(tmp_path / "ledger.sqlite") as ledger:
        refereeing = PromptedModel(
            "referee",
            Endpoint(
                base_url=base_url, model="m", in_flight=4, options={"temperature": 0.9}
            ),
            COMPARE,
            24,
        )
        found = compare_answers(refereeing, TRIED, teacher, round=0, ledger=ledger)
        replies = {(seed, n): said(body) for seed, n, body in ledger.answers("referee")}
    for one in TRIED:
        pair = make_referee_messages(refereeing, one, str(teacher[one.seed].text))
        whole = [
            re.fullmatch(
                r"Mark 1: (10|[1-9])\nMark 2: (10|[1-9])", replies[one.seed, m.n]
            )
            for m in pair
        ]
        if whole[0] and whole[1]:
            (a, b), (c, d) = (
                map(int, verdict.groups()) for verdict in whole if verdict
            )
            assert found[one.seed].gap == (a - b + d - c) / 2
        elif not all(
            re.search(r"Mark 1.*[1-9]\s+Mark 2.*[1-9]", replies[one.seed, m.n])
            for m in pair
        ):
            assert found[one.seed].gap is None
    gaps = [found[one.seed].gap for one in TRIED]
    assert all((one.gap is None) == bool(one.reason) for one in found.values())
    assert 0 < gaps.count(None) < len(gaps) - 2, (
        "a referee that does both, or this test shows nothing"
    )
    seen = evidence(len(TRIED), gaps=gaps)
    assert all(gaps[i] is not None for i in lion(seen, 3, draws()))
