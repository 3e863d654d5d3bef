"""Sketches of gradients: their cost in the signals pass and their worth, on real rows.

Rows of GSM8K and ProntoQA with their own solutions, SmolLM2-135M in float32. The pass
over the rows runs with a sketch and without, in turns, slice by slice; so does decoding.
`ratio` is the time without over the time with: the median over the slices. If somebody
else uses the machine for a moment, that spoils one slice, but it would spoil the sum.

On the first rows the exact ⟨G_i, G_j⟩ of all pairs are computed from whole gradients, a
block of the vocabulary at a time. Two approximations are compared with them:
TensorSketch, which the product uses, and its rival, which keeps the TOP likeliest
entries of p and the answer's own with the exact kernel, and has no vectors. Then
k-means++ picks rows by the distances of each, and exact distances judge the picks.

The gate: the exact inner products are those of the kernel in float64, and the mean over
many sketches lies within 4 standard errors of them. Measurements are kept slice by
slice, so that a benchmark that was cut off goes on.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import combinations_with_replacement
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from bench.conversations import CHAT, FILES, Pair, alternate, read_pairs
from bench.gradients import (
    TOP,
    Arrays,
    HeadInputs,
    compare_potentials,
    gram_errors,
    gram_of_block,
    kernel_products,
    read_head_inputs,
    rival_costs,
    sketch_products,
)
from bench.outcome import Outcome
from bench.process import peak_mib, run_timed, torch_threads
from teachback.student.attempt import AttemptRequest, answer_questions
from teachback.student.folder import resolve_model
from teachback.student.inference import InferenceModel, load_for_inference
from teachback.student.loading import load_student
from teachback.student.scoring import read_answers
from teachback.student.sketch import SKETCH_SIZE, TensorSketch, make_sketch

SLICE_ROWS = 20
VOCABULARY_BLOCK = 6144
QUESTIONS = 32  # of a decoding
NEW_TOKENS = 48
PAIRED = 4  # answers whose pairs go through many sketches
PICKS = 30
POTENTIAL_DRAWS = 2000
TARGET = 0.87
MAX_RMS = 2 / SKETCH_SIZE**0.5
MAX_POTENTIAL = 1.01
MAX_STANDARD_ERRORS = 4
KEPT = Path("runs/bench-sketch")

Keep = Callable[[str, Callable[[], Arrays]], Arrays]


class Amount(NamedTuple):
    rows_timed: int
    rows_compared: int
    vocabulary_blocks: int
    sketches: int
    decodings: int


FULL = Amount(2000, 300, 8, 200, 4)
QUICK = Amount(8, 8, 1, 3, 1)


def bench(quick: bool) -> Outcome:
    amount = QUICK if quick else FULL
    folder, identity = resolve_model("smollm2-135m")
    student = load_for_inference(folder)
    rows = make_rows(amount.rows_timed)
    measurements_folder = KEPT / ("quick" if quick else "full")
    keep = partial(measure_once, measurements_folder)

    passes, decodings = time_sketches(student, rows, amount.decodings, keep)
    inputs = read_inputs(student, rows[: amount.rows_compared], keep)
    weight_V_D = load_student(folder).model.get_output_embeddings().weight.detach()
    exact_R_R, top_R_R = compute_grams(
        inputs, weight_V_D, amount.vocabulary_blocks, keep
    )
    kernel = keep("kernel", partial(kernel_products, inputs, weight_V_D, PAIRED))
    many = keep(
        "many",
        partial(
            sketch_products, inputs, weight_V_D, PAIRED, SKETCH_SIZE, amount.sketches
        ),
    )

    gradient_N_M = np.concatenate([one["gradient"] for one in passes])
    gradient_R_M = gradient_N_M[: amount.rows_compared].astype(np.float64)
    sketch_R_R = gradient_R_M @ gradient_R_M.T
    off = standard_errors_off(kernel["products"], many["products"])
    facts = {
        "work": {
            "student": identity,
            "files": FILES,
            "rows_timed": amount.rows_timed,
            "rows_compared": amount.rows_compared,
            "tokens_compared": len(inputs.ids_N),
            "size": SKETCH_SIZE,
            "threads": torch_threads(),
        },
        "read": more_time(passes),
        "decode": {
            "questions": QUESTIONS,
            "new_tokens": NEW_TOKENS,
            **more_time(decodings),
        },
        "unbiased": {
            "sketches": amount.sketches,
            "pairs": len(off),
            "standard_errors_off": off,
        },
        "tensor_sketch": compare_grams(exact_R_R, sketch_R_R),
        f"top_{TOP}": compare_grams(exact_R_R, top_R_R),
        f"costs_of_top_{TOP}": rival_costs(inputs, SKETCH_SIZE),
    }
    is_unbiased = max(map(abs, off)) < MAX_STANDARD_ERRORS
    same = quick or (is_exact(kernel, exact_R_R) and is_unbiased)
    failures = describe_failures(facts["tensor_sketch"])
    ratio = 1 / (1 + facts["read"]["more_time"])
    shutil.rmtree(measurements_folder)
    return Outcome(ratio, TARGET, same, peak_mib(), facts, failures)


def time_sketches(
    student: InferenceModel, rows: Sequence[Pair], n_decodings: int, keep: Keep
) -> tuple[list[Arrays], list[Arrays]]:
    """Passes and decodings, each with and without a sketch."""
    sketch = make_sketch(student, seed=0)
    read_answers(student, CHAT, rows[:2], sketch=sketch)  # warms up
    passes = []
    for k, part in slices(rows):
        passes.append(keep(f"pass-{k}", partial(time_pass, student, sketch, part, k)))
    decodings = []
    for k in range(n_decodings):
        measure = partial(time_decoding, student, sketch, rows, k)
        decodings.append(keep(f"decode-{k}", measure))
    return passes, decodings


def read_inputs(
    student: InferenceModel, rows: Sequence[Pair], keep: Keep
) -> HeadInputs:
    parts = []
    for k, part in slices(rows):
        parts.append(keep(f"hidden-{k}", partial(read_head_inputs, student, part)))
    columns = []
    for name in HeadInputs._fields:
        columns.append(np.concatenate([part[name] for part in parts]))
    return HeadInputs(*columns)


def compute_grams(
    inputs: HeadInputs, weight_V_D: Any, blocks: int, keep: Keep
) -> tuple[Any, Any]:
    """⟨G_i, G_j⟩ exactly, and from the likeliest entries."""
    parts = []
    for start in range(0, blocks * VOCABULARY_BLOCK, VOCABULARY_BLOCK):
        weight_K_D = weight_V_D[start : start + VOCABULARY_BLOCK]
        measure = partial(gram_of_block, inputs, weight_K_D, start)
        parts.append(keep(f"gram-{start}", measure))
    return sum(part["exact"] for part in parts), sum(part["top"] for part in parts)


def compare_grams(exact_R_R: Any, other_R_R: Any) -> dict[str, float]:
    picks = min(PICKS, len(exact_R_R) // 2)
    return {
        **gram_errors(exact_R_R, other_R_R),
        **compare_potentials(exact_R_R, other_R_R, picks, POTENTIAL_DRAWS),
    }


def describe_failures(result: dict[str, float]) -> list[str]:
    targets = {
        "rms_inner_product_error": MAX_RMS,
        "potential_over_exact": MAX_POTENTIAL,
    }
    return [
        f"{name} {result[name]}, target at most {most:.5f}"
        for name, most in targets.items()
        if result[name] > most
    ]


def measure_once(folder: Path, name: str, measure: Callable[[], Arrays]) -> Arrays:
    """Measure, or read what was measured before the benchmark was cut off."""
    path = folder / f"{name}.npz"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        aside = path.with_suffix(".aside.npz")
        np.savez(aside, **measure())
        aside.rename(path)
    with np.load(path) as file:
        return dict(file)


def make_rows(count: int) -> list[Pair]:
    """Rows of the files in turn."""
    return alternate(read_pairs(name, count // 2) for name in FILES)


def slices(rows: Sequence[Pair]) -> Iterator[tuple[int, Sequence[Pair]]]:
    starts = range(0, len(rows), SLICE_ROWS)
    return enumerate(rows[start : start + SLICE_ROWS] for start in starts)


def time_both(
    k: int, without_sketch: Callable[[], Any], with_sketch: Callable[[], Any]
) -> tuple[list[float], Any]:
    """Seconds without and with a sketch, and the value with it.

    Every other time the second one runs first.
    """
    if k % 2:
        value, with_s = run_timed(with_sketch)
        _, without_s = run_timed(without_sketch)
    else:
        _, without_s = run_timed(without_sketch)
        value, with_s = run_timed(with_sketch)
    return [without_s, with_s], value


def time_pass(
    student: InferenceModel, sketch: TensorSketch, rows: Sequence[Pair], k: int
) -> Arrays:
    measure_plain = partial(read_answers, student, CHAT, rows)
    seconds, answers = time_both(
        k, measure_plain, partial(measure_plain, sketch=sketch)
    )
    gradients = np.stack([answer.gradient_M for answer in answers])
    return {"seconds": seconds, "gradient": gradients}


def time_decoding(
    student: InferenceModel, sketch: TensorSketch, rows: Sequence[Pair], k: int
) -> Arrays:
    part = rows[k * QUESTIONS : (k + 1) * QUESTIONS] or rows
    requests = [
        AttemptRequest(str(i), question) for i, (question, _) in enumerate(part)
    ]
    measure_plain = partial(answer_questions, student, CHAT, requests, NEW_TOKENS)
    seconds, _ = time_both(k, measure_plain, partial(measure_plain, sketch=sketch))
    return {"seconds": seconds}


def more_time(measurements: Sequence[Arrays]) -> dict[str, Any]:
    """The extra time with a sketch: of the median slice, of the sums, of each slice."""
    seconds_K_2 = np.array([one["seconds"] for one in measurements])
    slice_times = [
        round(float(with_s / without_s) - 1, 4) for without_s, with_s in seconds_K_2
    ]
    without_s, with_s = (round(float(total), 2) for total in seconds_K_2.sum(0))
    return {
        "more_time": median(slice_times),
        "seconds_without": without_s,
        "seconds_with": with_s,
        "more_time_of_the_sums": round(with_s / without_s - 1, 4),
        "more_time_of_each_slice": slice_times,
    }


def standard_errors_off(exact_P: Any, sketched_S_P: Any) -> list[float]:
    """For each pair of rows: the error of the mean of S sketches, in standard errors."""
    error_P = sketched_S_P.std(0, ddof=1) / len(sketched_S_P) ** 0.5
    off_P = (sketched_S_P.mean(0) - exact_P) / error_P
    return [round(float(one), 2) for one in off_P]


def is_exact(kernel: Arrays, exact_R_R: Any) -> bool:
    """Whether the products in blocks and float32 are the kernel's in float64."""
    pairs = combinations_with_replacement(kernel["rows"], 2)
    apart = []
    for (i, j), product in zip(pairs, kernel["products"], strict=True):
        lengths = (exact_R_R[i, i] * exact_R_R[j, j]) ** 0.5
        apart.append(abs(exact_R_R[i, j] - product) / lengths)
    return max(apart) < 1e-4
