"""Greedy answers: ours against transformers' `generate()`.

The peer runs its best static batch of 16, 32 and 64, sorted by length. Both get the same
prompts as tokens, real questions of GSM8K and ProntoQA in the chat template, and the
same cap. The gate: in float32 every row has the same tokens, for every size of the
peer's batch. Where a row differs, the result says by how many nats the two likeliest
tokens lay apart there.

Each contender runs in a process of its own, in turn. Sizes that are not the peer's best
are measured once. `ratio` is generate()'s seconds over ours in float32. bf16 is reported
beside it and has no gate, because its rounding decides near ties. Ours also gives the
signals of every answer; generate() gives none.
"""

import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, Literal, NamedTuple

from bench.conversations import CHAT, FILES, first_pairs
from bench.outcome import Outcome
from bench.process import peak_mib, resident_mib, run_fresh, spread, torch_threads
from bench.reasons import first_difference
from teachback.student.chat import prompt_ids
from teachback.student.folder import resolve_model
from teachback.student.loading import load_student

TARGET = 1.5
SIZES = (16, 32, 64)
REPEATS = 3
MAX_NEW_TOKENS = 96
QUESTIONS_PER_FILE = 32
LIBRARIES = ("torch", "transformers")

Precision = Literal["float32", "bf16"]


class Prompt(NamedTuple):
    message: str
    ids: list[int]


class Result(NamedTuple):
    # Of each prompt's answer.
    tokens: list[list[int]]
    seconds: float
    # Peak memory above the loaded model.
    mib: float
    rss_mib: float


class Runs(NamedTuple):
    ours: list[Result]
    # By the size of its batches.
    peer: dict[int, list[Result]]
    # The peer's fastest size, by its first run.
    best: int


def bench(quick: bool) -> Outcome:
    folder, identity = resolve_model("smollm2-135m")
    prompts = make_prompts(folder, 3 if quick else QUESTIONS_PER_FILE)
    max_new_tokens = 12 if quick else MAX_NEW_TOKENS
    sizes, repeats = ((4,), 1) if quick else (SIZES, REPEATS)
    exact = run_all(folder, prompts, max_new_tokens, "float32", sizes, repeats)
    bf16 = run_all(folder, prompts, max_new_tokens, "bf16", sizes[-2:], 1)

    partings = []
    for size, results in exact.peer.items():
        partings += find_partings(folder, prompts, exact.ours[0], results[0], size)
    lengths = [len(prompt.ids) for prompt in prompts]
    work = {
        "student": identity,
        "files": FILES,
        "rows": len(prompts),
        "prompt_tokens": {
            "min": min(lengths),
            "median": median(lengths),
            "max": max(lengths),
        },
        "max_new_tokens": max_new_tokens,
        "threads": run_fresh(torch_threads),
        "versions_compared": {name: version(name) for name in LIBRARIES},
    }
    facts = {
        "work": work,
        "float32": summarise(exact, max_new_tokens),
        "rows_parted": partings,
        "bf16": summarise(bf16, max_new_tokens),
    }
    rss_mib = exact.ours[0].rss_mib
    return Outcome(speedup(exact), TARGET, not partings, rss_mib, facts)


def make_prompts(folder: Path, count: int) -> list[Prompt]:
    """The first questions of each file."""
    student = load_student(folder)
    questions = [question for question, _ in first_pairs(count)]
    return [
        Prompt(question, prompt_ids(student, CHAT, question)) for question in questions
    ]


def run_all(
    folder: Path,
    prompts: Sequence[Prompt],
    max_new_tokens: int,
    precision: Precision,
    sizes: Sequence[int],
    repeats: int,
) -> Runs:
    work = str(folder), prompts, max_new_tokens, precision
    ours = [run_fresh(decode_with_ours, *work)]
    peer = {size: [run_fresh(decode_with_peer, *work, size)] for size in sizes}
    best = min(sizes, key=lambda size: peer[size][0].seconds)
    for _ in range(repeats - 1):
        peer[best].append(run_fresh(decode_with_peer, *work, best))
        ours.append(run_fresh(decode_with_ours, *work))
    return Runs(ours, peer, best)


def speedup(runs: Runs) -> float:
    peer_s = median(result.seconds for result in runs.peer[runs.best])
    return peer_s / median(result.seconds for result in runs.ours)


def summarise(runs: Runs, max_new_tokens: int) -> dict[str, Any]:
    seconds = {"ours": [result.seconds for result in runs.ours]}
    for size, results in runs.peer.items():
        seconds[f"generate, batch {size}"] = [result.seconds for result in results]

    ours = runs.ours[0]
    peer = runs.peer[runs.best][0]
    tokens = sum(map(len, ours.tokens))
    return {
        "ratio": round(speedup(runs), 3),
        "seconds": {name: spread(values) for name, values in seconds.items()},
        "tokens": tokens,
        "ended": sum(len(row) < max_new_tokens for row in ours.tokens),
        "tokens_a_second": round(tokens / median(seconds["ours"]), 1),
        "mib_above_the_model": {
            "ours": round(ours.mib, 1),
            "generate": round(peer.mib, 1),
        },
        "peak_mib": {
            "ours": round(ours.rss_mib, 1),
            "generate": round(peer.rss_mib, 1),
        },
    }


def decode_with_ours(
    folder: str, prompts: Sequence[Prompt], max_new_tokens: int, precision: Precision
) -> Result:
    """All prompts in one call, as a run hands over a shard of 64."""
    from teachback.student.attempt import decode_answers
    from teachback.student.inference import load_for_inference

    student = load_for_inference(Path(folder), precision)
    ids = [prompt.ids for prompt in prompts]
    decode_answers(student, ids[:2], 2)

    loaded_mib = resident_mib()
    start_s = time.perf_counter()
    answers = decode_answers(student, ids, max_new_tokens)
    seconds = time.perf_counter() - start_s
    tokens = [answer.tokens for answer in answers]
    return Result(tokens, seconds, peak_mib() - loaded_mib, peak_mib())


def decode_with_peer(
    folder: str,
    prompts: Sequence[Prompt],
    max_new_tokens: int,
    precision: Precision,
    size: int,
) -> Result:
    import torch
    from transformers import AutoModelForCausalLM

    dtype = torch.float32 if precision == "float32" else torch.bfloat16
    ends = sorted(load_student(Path(folder)).ends)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).eval()
    ids = [prompt.ids for prompt in prompts]
    generate(model, ends, ids[:2], 2)

    loaded_mib = resident_mib()
    start_s = time.perf_counter()
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    tokens: dict[int, list[int]] = {}
    for start in range(0, len(order), size):
        batch = order[start : start + size]
        rows = generate(model, ends, [ids[i] for i in batch], max_new_tokens)
        tokens.update(zip(batch, rows, strict=True))
    seconds = time.perf_counter() - start_s
    in_order = [tokens[i] for i in range(len(ids))]
    return Result(in_order, seconds, peak_mib() - loaded_mib, peak_mib())


def generate(
    model: Any, ends: list[int], prompts: Sequence[list[int]], max_new_tokens: int
) -> list[list[int]]:
    """`generate()` on one batch, padded on the left. Each row ends with its end token."""
    import torch

    longest = max(map(len, prompts))
    padding = [longest - len(ids) for ids in prompts]
    ids_B_T = [[*[ends[0]] * n, *ids] for n, ids in zip(padding, prompts, strict=True)]
    mask_B_T = [[0] * n + [1] * (longest - n) for n in padding]
    with torch.inference_mode():
        out = model.generate(
            torch.tensor(ids_B_T),
            attention_mask=torch.tensor(mask_B_T),
            max_new_tokens=max_new_tokens,
            do_sample=False,
            eos_token_id=ends,
            pad_token_id=ends[0],
        )
    rows = out[:, longest:].tolist()
    return [up_to_end(row, ends)[:max_new_tokens] for row in rows]


def up_to_end(tokens: list[int], ends: Sequence[int]) -> list[int]:
    for t, token in enumerate(tokens):
        if token in ends:
            return tokens[: t + 1]
    return tokens


def find_partings(
    folder: Path, prompts: Sequence[Prompt], ours: Result, peer: Result, size: int
) -> list[dict[str, Any]]:
    """Rows with other tokens, and how near the two likeliest tokens were where they part."""
    partings = []
    for prompt, a, b in zip(prompts, ours.tokens, peer.tokens, strict=True):
        if a == b:
            continue
        place = first_difference(a, b)
        nats = run_fresh(top2_gap, str(folder), [*prompt.ids, *a[:place]])
        partings.append(
            {
                "batch": size,
                "question": prompt.message[:60],
                "token": place,
                "top_two_apart_nats": nats,
            }
        )
    return partings


def top2_gap(folder: str, ids: list[int]) -> float:
    import torch

    with torch.inference_mode():
        logits_V = load_student(Path(folder)).model(torch.tensor([ids])).logits[0, -1]
    first, second = logits_V.topk(2).values.tolist()
    return float(first - second)
