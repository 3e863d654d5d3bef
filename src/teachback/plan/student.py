"""The student's side of the bill: what it reads and writes each round, and what that takes of compute, disk and memory.

2 FLOPs a parameter and token to answer, 6 to learn. Every bought pair is taken for an accepted row.
"""

import json
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from statistics import fmean
from typing import Literal

from ..student.folder import SMOLLM2, cache_folder
from ..types import Example
from .course import Course
from .roles import CALL_BYTES, LONG, SHORT, size, texts
from .values import Case, Range, Size, StudentRound

TEMPLATE_TOKENS = 64  # of a chat template
FLOAT = 4  # bytes: weights, gradients and both moments are float32, whatever the precision of finetuning
NAME = re.compile(
    r"(?<![a-z0-9.])(?:(\d+)x)?(\d+(?:\.\d+)?)([bm])(?![a-z0-9])", re.IGNORECASE
)


@dataclass(frozen=True)
class Work:
    """Tokens, the prompt's among them: of answering a seed, a dev question, a new question, and of a row, once."""

    seed: Range
    dev: Range
    new: Range
    row: Range


@dataclass(frozen=True)
class Lesson:
    """What a round asks of the student. sampled: answers that the criterion asks for beside the attempts. given: rows
    one has. The rates are tokens a second; None: not measured."""

    work: Work
    seeds: int
    sampled: int
    dev: int
    given: int
    epochs: int
    restart: Literal["base", "continue"]
    replay: float
    parameters: int | None
    answering_per_s: float | None = None
    finetuning_per_s: float | None = None


def guessed(
    seeds: Sequence[Example],
    dev: Sequence[Example],
    around: int,
    longest: int,
    answer: int,
    question: int,
    row: int,
) -> Work:
    """From bytes. around: bytes of instructions around each question. longest: the student's longest answer, in
    tokens; question, answer and row: likewise of a new question, its answer and a program's whole row."""
    q_low, s_low = texts(seeds)
    low_answer = min(s_low, longest)

    def asks(examples: Sequence[Example]) -> Range:
        sent = (
            fmean(size(e.question) for e in examples) + around if examples else around
        )
        return Range(sent / LONG + low_answer, sent / SHORT + TEMPLATE_TOKENS + longest)

    head, template = Range(around / LONG, around / SHORT), Range(0, TEMPLATE_TOKENS)
    new = head + template + Range(q_low + low_answer, max(q_low, question) + longest)
    taught = (
        head
        + template
        + Range(q_low + s_low, max(q_low + s_low, row or question + answer))
    )
    return Work(asks(seeds), asks(dev), new, taught)


def rounds(
    lesson: Lesson, courses: Mapping[Case, Course], first: int, rows: int
) -> tuple[StudentRound, ...]:
    """Of every round that any case comes to. rows: accepted before the first of them."""
    most = max(len(c.pairs) for c in courses.values())
    return tuple(one(lesson, courses, first, rows, at) for at in range(most))


def one(
    lesson: Lesson, courses: Mapping[Case, Course], first: int, rows: int, at: int
) -> StudentRound:
    work, answering, finetuning, trained = (
        lesson.work,
        dict[Case, float](),
        dict[Case, float](),
        dict[Case, float](),
    )
    for case, course in courses.items():
        opened = at < len(course.pairs)
        fresh, earlier = (
            course.pairs[at] if opened else 0,
            lesson.given + rows + sum(course.pairs[:at]),
        )
        share = 1.0 if lesson.restart == "base" else lesson.replay
        trained[case] = fresh + round(share * earlier) if opened else 0
        asks = (
            work.seed * (lesson.seeds + lesson.sampled)
            + work.dev * lesson.dev
            + work.new * fresh
        )
        answering[case] = asks.get(case) if opened else 0
        finetuning[case] = work.row.get(case) * trained[case] * lesson.epochs
    return spent(
        lesson, first + at, Range.of(trained), Range.of(answering), Range.of(finetuning)
    )


def before(lesson: Lesson, first: int) -> StudentRound:
    """What comes before the first round: nothing, if the run has begun."""
    work, dev, given = (
        lesson.work,
        *((lesson.dev, lesson.given) if first == 0 else (0, 0)),
    )
    rows = Range(given, given, None if work.row.expected is None else given)
    return spent(
        lesson, first, rows, work.dev * dev, work.row * (given * lesson.epochs)
    )


def spent(
    lesson: Lesson, r: int, rows: Range, answering: Range, finetuning: Range
) -> StudentRound:
    flops = (
        (answering * 2 + finetuning * 6) * lesson.parameters
        if lesson.parameters is not None
        else None
    )
    seconds = None
    if lesson.answering_per_s and lesson.finetuning_per_s:
        seconds = answering * (1 / lesson.answering_per_s) + finetuning * (
            1 / lesson.finetuning_per_s
        )
    return StudentRound(r, rows, answering, finetuning, flops, seconds)


def added(parts: Sequence[StudentRound]) -> StudentRound:
    head, *others = parts
    for one in others:
        flops = (
            head.flops + one.flops
            if head.flops is not None and one.flops is not None
            else None
        )
        seconds = (
            head.seconds + one.seconds
            if head.seconds is not None and one.seconds is not None
            else None
        )
        head = StudentRound(
            one.round,
            head.rows + one.rows,
            head.answering + one.answering,
            head.finetuning + one.finetuning,
            flops,
            seconds,
        )
    return head


def memory(parameters: int | None, method: str) -> float | None:
    """While finetuning, activations not counted. full: weights, gradients, two moments; LoRA: weights, adapters."""
    return (
        None
        if parameters is None
        else parameters * FLOAT * (4 if method == "full" else 1)
    )


def disk(
    parameters: int | None, method: str, keep: str, rounds: int, calls: float
) -> float | None:
    """At its peak: the kept students, the one being made, and its trainer's checkpoint, which lies there twice for the
    moment in which a new one replaces the last. Then the ledger."""
    if parameters is None:
        return None
    kept = {"last": 1, "best": 2, "all": max(rounds, 1)}[keep]
    made = 2 * 3 if method == "full" else 1
    return parameters * FLOAT * (kept + made) + calls * CALL_BYTES


def find_size(model: str, revision: str | None = None) -> Size:
    """From the weights if they are on this machine, else from the name. Nothing is fetched."""
    folder = on_disk(model, revision)
    if folder is not None and (
        counted := sum(map(parameters_in, folder.glob("*.safetensors")))
    ):
        return Size(counted, "counted in its weights")
    if found := NAME.search(model):
        times, number, unit = found.groups()
        counted = round(
            int(times or 1) * float(number) * (1e9 if unit in "bB" else 1e6)
        )
        return Size(counted, f"from the name: {found[0]}")
    return Size(
        None,
        "unknown: the weights are not on this machine and the name holds no number",
    )


def on_disk(model: str, revision: str | None) -> Path | None:
    if model == SMOLLM2:
        found = sorted(cache_folder().glob(f"{SMOLLM2}-*"))
        return next((path for path in found if (path / "config.json").exists()), None)
    if Path(model).is_dir():
        return Path(model)
    try:
        from huggingface_hub import snapshot_download

        return Path(snapshot_download(model, revision=revision, local_files_only=True))
    except Exception:  # not installed, not cached, no such name: all the same here
        return None


def parameters_in(path: Path) -> int:
    """From a safetensors file's header alone."""
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
    return sum(
        prod(tensor["shape"])
        for name, tensor in header.items()
        if name != "__metadata__"
    )
