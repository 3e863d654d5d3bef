"""Greedy answers: ours against transformers' `generate()`, its best static batch of 16, 32 and 64, sorted by length.

The same prompts as tokens for both: real questions of GSM8K and ProntoQA in the chat template, and the same cap. The
gate: in float32 the same tokens in every row, for every size of the peer's batch. Where a row parts, the result says by
how many nats the two likeliest tokens lay apart there. Each contender runs in a process of its own, in turn; sizes that
are not the peer's best are measured once. `ratio` is generate()'s seconds / ours in float32; bf16 is reported beside it
and has no gate, because its rounding decides near ties. Ours gives the signals of every answer too; generate() none.
"""

import json
import os
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, Literal, NamedTuple

from bench.against import Outcome, fresh, peak_mib, spread
from teachback.student.chat import Chat, prompt_ids
from teachback.student.folder import load, resolve

FILES = ("gsm8k_train.jsonl", "prontoqa_train.jsonl")
TARGET, SIZES, REPEATS, CAP = 1.5, (16, 32, 64), 3, 96
CHAT = Chat("Reason step by step.")

Precision = Literal["float32", "bf16"]


class Prompt(NamedTuple):
    message: str
    ids: list[int]


class Done(NamedTuple):
    """tokens: of each prompt's answer. mib: the most memory above the loaded model."""

    tokens: list[list[int]]
    seconds: float
    mib: float
    rss_mib: float


def bench(quick: bool) -> Outcome:
    folder, identity = resolve("smollm2-135m")
    prompts, cap = work(folder, 3 if quick else 32), 12 if quick else CAP
    sizes, repeats = ((4,), 1) if quick else (SIZES, REPEATS)
    exact, ratio, parts, rss = measured(folder, prompts, cap, "float32", sizes, repeats)
    rounded, _, _, _ = measured(folder, prompts, cap, "bf16", sizes[-2:], 1)
    lengths = [len(prompt.ids) for prompt in prompts]
    about = {
        "student": identity,
        "files": FILES,
        "rows": len(prompts),
        "prompt_tokens": {
            "min": min(lengths),
            "median": median(lengths),
            "max": max(lengths),
        },
        "max_new_tokens": cap,
        "threads": fresh(threads),
        "versions_compared": {
            name: version(name) for name in ("torch", "transformers")
        },
    }
    return Outcome(
        ratio,
        TARGET,
        not parts,
        rss,
        {"work": about, "float32": exact, "rows_parted": parts, "bf16": rounded},
    )


def work(folder: Path, each: int) -> list[Prompt]:
    """The first questions of each file."""
    data = Path(
        os.environ.get("TEACHBACK_DATA", Path(__file__).parents[1] / "../shared/data")
    )
    student, prompts = load(folder), []
    for name in FILES:
        with open(data / name, encoding="utf-8") as file:
            questions = [
                json.loads(line)["question"]
                for line, _ in zip(file, range(each), strict=False)
            ]
        prompts += [
            Prompt(question, prompt_ids(student, CHAT, question))
            for question in questions
        ]
    return prompts


def measured(
    folder: Path,
    prompts: Sequence[Prompt],
    cap: int,
    precision: Precision,
    sizes: Sequence[int],
    repeats: int,
) -> tuple[dict[str, Any], float, list[dict[str, Any]], float]:
    """Facts, the ratio, the rows whose tokens part, and our peak memory."""
    our = [fresh(ours, str(folder), prompts, cap, precision)]
    their = {
        size: [fresh(theirs, str(folder), prompts, cap, precision, size)]
        for size in sizes
    }
    best = min(sizes, key=lambda size: their[size][0].seconds)
    for _ in range(repeats - 1):
        their[best].append(fresh(theirs, str(folder), prompts, cap, precision, best))
        our.append(fresh(ours, str(folder), prompts, cap, precision))
    seconds = {"ours": [done.seconds for done in our]}
    seconds |= {
        f"generate, batch {size}": [done.seconds for done in runs]
        for size, runs in their.items()
    }
    ratio = median(seconds[f"generate, batch {best}"]) / median(seconds["ours"])
    tokens = sum(map(len, our[0].tokens))
    facts = {
        "ratio": round(ratio, 3),
        "seconds": {name: spread(values) for name, values in seconds.items()},
        "tokens": tokens,
        "ended": sum(len(row) < cap for row in our[0].tokens),
        "tokens_a_second": round(tokens / median(seconds["ours"]), 1),
        "mib_above_the_model": {
            "ours": round(our[0].mib, 1),
            "generate": round(their[best][0].mib, 1),
        },
        "peak_mib": {
            "ours": round(our[0].rss_mib, 1),
            "generate": round(their[best][0].rss_mib, 1),
        },
    }
    exact = precision == "float32"
    parts = (
        [
            p
            for size, runs in their.items()
            for p in parted(folder, prompts, our[0], runs[0], size)
        ]
        if exact
        else []
    )
    return facts, ratio, parts, our[0].rss_mib


def ours(
    folder: str, prompts: Sequence[Prompt], cap: int, precision: Precision
) -> Done:
    """All prompts in one call, as a run hands over a shard of 64."""
    from teachback.student.attempt import answers
    from teachback.student.frozen import freeze

    student = freeze(Path(folder), precision)
    answers(student, [prompt.ids for prompt in prompts[:2]], 2)
    loaded, started = rss_mib(), time.perf_counter()
    found = answers(student, [prompt.ids for prompt in prompts], cap)
    seconds = time.perf_counter() - started
    return Done(
        [decoded.tokens for decoded in found], seconds, peak_mib() - loaded, peak_mib()
    )


def theirs(
    folder: str, prompts: Sequence[Prompt], cap: int, precision: Precision, size: int
) -> Done:
    import torch
    from transformers import AutoModelForCausalLM

    dtype = torch.float32 if precision == "float32" else torch.bfloat16
    ends = sorted(load(Path(folder)).ends)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).eval()
    found: dict[int, list[int]] = {}
    generated(model, ends, [prompt.ids for prompt in prompts[:2]], 2)
    loaded, started = rss_mib(), time.perf_counter()
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i].ids))
    for places in (order[i : i + size] for i in range(0, len(order), size)):
        found.update(
            zip(
                places,
                generated(model, ends, [prompts[i].ids for i in places], cap),
                strict=True,
            )
        )
    seconds = time.perf_counter() - started
    return Done(
        [found[i] for i in range(len(prompts))],
        seconds,
        peak_mib() - loaded,
        peak_mib(),
    )


def generated(
    model: Any, ends: list[int], prompts: Sequence[list[int]], cap: int
) -> list[list[int]]:
    """By `generate()`, in one batch padded on the left; each up to its end token."""
    import torch

    longest = max(map(len, prompts))
    ids_B_T = torch.tensor(
        [[*[ends[0]] * (longest - len(ids)), *ids] for ids in prompts]
    )
    mask_B_T = torch.tensor(
        [[0] * (longest - len(ids)) + [1] * len(ids) for ids in prompts]
    )
    with torch.inference_mode():
        out = model.generate(
            ids_B_T,
            attention_mask=mask_B_T,
            max_new_tokens=cap,
            do_sample=False,
            eos_token_id=ends,
            pad_token_id=ends[0],
        )
    rows = out[:, longest:].tolist()
    return [
        row[: next((t + 1 for t, token in enumerate(row) if token in ends), cap)]
        for row in rows
    ]


def parted(
    folder: Path, prompts: Sequence[Prompt], our: Done, their: Done, size: int
) -> list[dict[str, Any]]:
    """Rows whose tokens are not the same, and how near the two likeliest tokens were where they part."""
    rows = []
    for prompt, a, b in zip(prompts, our.tokens, their.tokens, strict=True):
        if a != b:
            at = next(
                (t for t, (x, y) in enumerate(zip(a, b, strict=False)) if x != y),
                min(len(a), len(b)),
            )
            nats = fresh(top_two_apart, str(folder), [*prompt.ids, *a[:at]])
            rows.append(
                {
                    "batch": size,
                    "question": prompt.message[:60],
                    "token": at,
                    "top_two_apart_nats": nats,
                }
            )
    return rows


def top_two_apart(folder: str, ids: list[int]) -> float:
    import torch

    with torch.inference_mode():
        logits_V = load(Path(folder)).model(torch.tensor([ids])).logits[0, -1]
    first, second = logits_V.topk(2).values.tolist()
    return float(first - second)


def rss_mib() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def threads() -> int:
    import torch

    return torch.get_num_threads()
