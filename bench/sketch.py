"""Sketches of gradients: what they cost in the signals pass, and what they are worth, on real rows.

Rows of GSM8K and ProntoQA with their own solutions, SmolLM2-135M in float32. The pass over them with a sketch and
without, in turns, slice by slice; decoding the same way. `ratio` is the time without / the time with: the median of
the slices, because a machine that somebody else uses for a moment spoils one of them, and would spoil their sum.

On the first of them the exact ⟨G_i, G_j⟩ of all pairs, from whole gradients, a block of the vocabulary at a time.
Against them: TensorSketch, which the product has; and its rival, the TOP likeliest entries of p and the answer's own
with the exact kernel, which has no vectors. Then rows are picked by k-means++ with the distances of each, and the picks
are judged by the exact distances.

The gate: the exact inner products are those of the kernel in float64, and the mean over many sketches lies within 4
standard errors of them. What is measured is kept slice by slice, so that a run that was cut off goes on.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from itertools import combinations_with_replacement, islice
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from bench.against import Outcome, peak_mib
from bench.gradients import (
    TOP,
    Arrays,
    Pass,
    by_kernel,
    by_sketches,
    errors,
    gone_over,
    gram,
    potentials,
    rival_costs,
)
from bench.conversations import CHAT, FILES
from bench.process import run_timed as timed
from bench.process import torch_threads as threads
from teachback.student.attempt import Asked, attempt
from teachback.student.folder import load, resolve
from teachback.student.frozen import Frozen, freeze
from teachback.student.signals import read
from teachback.student.sketch import SIZE, Sketch, make_sketch

ROWS, FEW, ASKED, NEW_TOKENS = 2000, 300, 32, 48
SLICE, VOCABULARY = (
    20,
    6144,
)  # rows, and tokens of the vocabulary, that are measured and kept together
SKETCHES, PAIRED, PICKS, SEEDS = 200, 4, 30, 2000
TARGET, RMS, POTENTIAL = 0.87, 2 / SIZE**0.5, 0.01
KEPT = Path("runs/bench-sketch")

Rows = list[tuple[str, str]]


def bench(quick: bool) -> Outcome:
    count, few, parts, sketches = (8, 8, 1, 3) if quick else (ROWS, FEW, 8, SKETCHES)
    folder, identity = resolve("smollm2-135m")
    rows, student, keep = (
        work(count),
        freeze(folder),
        partial(kept, KEPT / ("quick" if quick else "full")),
    )
    sketch = make_sketch(student, seed=0)
    read(student, CHAT, rows[:2], sketch=sketch)  # warms up
    both = [
        keep(f"pass-{k}", partial(in_turns, student, sketch, part, k))
        for k, part in sliced(rows)
    ]
    decoded = [
        keep(f"decode-{k}", partial(decoding, student, sketch, rows, k))
        for k in range(1 if quick else 4)
    ]
    went = [
        keep(f"hidden-{k}", partial(gone_over, student, part))
        for k, part in sliced(rows[:few])
    ]
    found = Pass(
        *(np.concatenate([one[name] for one in went]) for name in Pass._fields)
    )
    weight_V_D = load(folder).model.get_output_embeddings().weight.detach()
    starts = range(0, parts * VOCABULARY, VOCABULARY)
    grams = [
        keep(f"gram-{s}", partial(gram, found, weight_V_D[s : s + VOCABULARY], s))
        for s in starts
    ]
    kernel = keep("kernel", partial(by_kernel, found, weight_V_D, PAIRED))
    many = keep("many", partial(by_sketches, found, weight_V_D, PAIRED, SIZE, sketches))
    gradient_R_M = np.concatenate([one["gradient"] for one in both])[:few].astype(
        np.float64
    )
    exact, top = (sum(one[name] for one in grams) for name in ("exact", "top"))
    ours = {"tensor_sketch": gradient_R_M @ gradient_R_M.T, f"top_{TOP}": top}
    seconds = np.array([one["seconds"] for one in both])
    off = standard_errors(kernel["products"], many["products"])
    facts = {
        "work": {
            "student": identity,
            "files": FILES,
            "rows_timed": count,
            "rows_compared": few,
        }
        | {"tokens_compared": len(found.ids_N), "size": SIZE, "threads": threads()},
        "read": more_time(seconds),
        "decode": {
            "questions": ASKED,
            "new_tokens": NEW_TOKENS,
            **more_time(np.array([d["seconds"] for d in decoded])),
        },
        "unbiased": {
            "sketches": sketches,
            "pairs": len(off),
            "standard_errors_off": off,
        },
        **{
            name: {
                **errors(exact, g),
                **potentials(exact, g, min(PICKS, few // 2), SEEDS),
            }
            for name, g in ours.items()
        },
        f"costs_of_top_{TOP}": rival_costs(found, SIZE),
    }
    same = quick or (agree(kernel, exact) and max(map(abs, off)) < 4)
    shutil.rmtree(KEPT / ("quick" if quick else "full"))
    return Outcome(
        1 / (1 + facts["read"]["more_time"]),
        TARGET,
        same,
        peak_mib(),
        facts,
        shortfalls(facts["tensor_sketch"]),
    )


def shortfalls(found: dict[str, float]) -> list[str]:
    targets = {"rms_inner_product_error": RMS, "potential_over_exact": 1 + POTENTIAL}
    return [
        f"{name} {found[name]}, target at most {most:.5f}"
        for name, most in targets.items()
        if found[name] > most
    ]


def kept(folder: Path, name: str, measure: Callable[[], Arrays]) -> Arrays:
    """What was measured, now or before the benchmark was cut off."""
    path = folder / f"{name}.npz"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(path.with_suffix(".aside.npz"), **measure())
        path.with_suffix(".aside.npz").rename(path)
    with np.load(path) as file:
        return dict(file)


def work(count: int) -> Rows:
    """(question, solution), from the files in turn."""
    data = Path(
        os.environ.get("TEACHBACK_DATA", Path(__file__).parents[1] / "../shared/data")
    )
    rows: list[Rows] = []
    for name in FILES:
        with open(data / name, encoding="utf-8") as file:
            found = [json.loads(line) for line in islice(file, count // 2)]
        rows.append([(row["question"], row["solution"]) for row in found])
    return [row for pair in zip(*rows, strict=True) for row in pair]


def sliced(rows: Rows) -> Iterator[tuple[int, Rows]]:
    return (
        (k, rows[at : at + SLICE]) for k, at in enumerate(range(0, len(rows), SLICE))
    )


def both_ways(
    k: int, plain: Callable[[], Any], sketched: Callable[[], Any]
) -> tuple[list[float], Any]:
    """Seconds without and with, and what was found with; every other time the second one is first."""
    if k % 2:
        (found, on), (_, off) = timed(sketched), timed(plain)
    else:
        (_, off), (found, on) = timed(plain), timed(sketched)
    return [off, on], found


def in_turns(student: Frozen, sketch: Sketch, rows: Rows, k: int) -> Arrays:
    plain = partial(read, student, CHAT, rows)
    seconds, found = both_ways(k, plain, partial(plain, sketch=sketch))
    return {
        "seconds": seconds,
        "gradient": np.stack([answer.gradient_M for answer in found]),
    }


def decoding(student: Frozen, sketch: Sketch, rows: Rows, k: int) -> Arrays:
    asked = [
        Asked(str(i), question)
        for i, (question, _) in enumerate(rows[k * ASKED : (k + 1) * ASKED] or rows)
    ]
    plain = partial(attempt, student, CHAT, asked, NEW_TOKENS)
    return {"seconds": both_ways(k, plain, partial(plain, sketch=sketch))[0]}


def more_time(seconds_K_2: Any) -> dict[str, Any]:
    """Of K measurements, without and with: the median slice's, and of the sums."""
    each = [
        round(float(sketched / without) - 1, 4) for without, sketched in seconds_K_2
    ]
    without, sketched = (round(float(total), 2) for total in seconds_K_2.sum(0))
    sums = {
        "seconds_without": without,
        "seconds_with": sketched,
        "more_time_of_the_sums": round(sketched / without - 1, 4),
    }
    return {"more_time": median(each), **sums, "more_time_of_each_slice": each}


def standard_errors(exact_P: Any, found_S_P: Any) -> list[float]:
    """By how many standard errors the mean of S sketches is off, of each pair of rows."""
    error_P = found_S_P.std(0, ddof=1) / len(found_S_P) ** 0.5
    return [round(float(one), 2) for one in (found_S_P.mean(0) - exact_P) / error_P]


def agree(kernel: Arrays, exact: Any) -> bool:
    """Exact products in blocks and in float32 are those of the kernel in float64."""
    pairs = combinations_with_replacement(kernel["rows"], 2)
    apart = [
        abs(exact[i, j] - one) / (exact[i, i] * exact[j, j]) ** 0.5
        for (i, j), one in zip(pairs, kernel["products"], strict=True)
    ]
    return max(apart) < 1e-4
