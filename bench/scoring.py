"""The mean nll of given answers: ours against lm-eval's `loglikelihood`.

lm-eval runs in batches of 8, 16 and 32; its best counts. Both score the same rows: real
questions of GSM8K and ProntoQA, each with its own solution, as conversations. The gate:
in float32 every row has the same log-likelihood, to a millinat; in bf16 ours is nearer
to float32 than lm-eval's. Each contender runs in a process of its own, in turn. `ratio`
is lm-eval's seconds over ours in float32.

Also measured: all signals together against the loss alone; memory above the loaded
model; and the share of the machine's matrix-product peak that the pass reaches. Counted
operations: two per weight of the body for every token that is read (padding excluded, a
common beginning once), two per weight of the head for every token of an answer, and the
attention's products over the tokens that a token may see.
"""

import os
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, Literal, NamedTuple

from bench.conversations import CHAT, FILES, first_pairs
from bench.outcome import Outcome
from bench.process import (
    peak_mib,
    resident_mib,
    run_fresh,
    run_timed,
    spread,
    torch_threads,
)
from teachback.student.chat import row_ids
from teachback.student.folder import resolve_model
from teachback.student.forward import shared_prefix_length
from teachback.student.loading import load_student

ROWS_PER_FILE = 24
BATCHES = (8, 16, 32)
REPEATS = 3
LIBRARIES = ("lm-eval", "torch", "transformers")

# Targets of the ratio, and of the other measures.
TARGETS = {"float32": 1.5, "bf16": 1.6}
MAX_SIGNALS_OVER_LOSS = 1.25
MAX_MEMORY_RATIO = 0.5
MIN_SHARE_OF_PEAK = 0.75

MAX_NATS_OFF = 1e-3
PEAK_SIZE = 2048
PEAK_TRIES = 8

Precision = Literal["float32", "bf16"]


class Row(NamedTuple):
    message: str
    answer: str
    # Both as tokens, in the chat template.
    prompt_ids: list[int]
    completion_ids: list[int]


class Scores(NamedTuple):
    # Log-likelihood of each row's answer.
    sums: list[float]
    seconds: float
    # Peak memory above the loaded model.
    mib: float
    rss_mib: float
    # Seconds for all signals.
    all_signals_s: float = 0.0


class Runs(NamedTuple):
    """All runs in one precision."""

    ours: list[Scores]
    # By the size of its batches.
    peer: dict[int, list[Scores]]
    # Operations a second of the machine's fastest matrix product.
    peaks: list[float]

    @property
    def best_peer(self) -> list[Scores]:
        """The runs of the peer's fastest batch size."""
        return min(
            self.peer.values(),
            key=lambda runs: median(result.seconds for result in runs),
        )


def bench(quick: bool) -> Outcome:
    folder, identity = resolve_model("smollm2-135m")
    rows = make_rows(folder, 3 if quick else ROWS_PER_FILE)
    repeats, sizes = (1, BATCHES[:1]) if quick else (REPEATS, BATCHES)
    exact = run_all(folder, rows, "float32", sizes, repeats)
    bf16 = run_all(folder, rows, "bf16", sizes, repeats)

    # The peers' float32 is held against ours, and bf16 of both against it.
    reference = exact.ours[0].sums
    results = {
        "float32": summarise(folder, rows, exact, reference),
        "bf16": summarise(folder, rows, bf16, reference),
    }
    work = {
        "student": identity,
        "files": FILES,
        "rows": len(rows),
        "tokens": count_tokens(rows),
        "of_answers": sum(len(row.completion_ids) for row in rows),
        "threads": torch_threads(),
        "versions_compared": {name: version(name) for name in LIBRARIES},
    }
    same = same_in_float32(exact) and nearer_in_bf16(bf16, reference)
    failures = [
        *describe_failures("float32", results["float32"]),
        *describe_failures("bf16", results["bf16"]),
    ]
    ratio = results["float32"]["ratio"]
    rss_mib = max(result.rss_mib for result in (*exact.ours, *bf16.ours))
    facts = {"work": work, **results}
    return Outcome(ratio, TARGETS["float32"], same, rss_mib, facts, failures)


def make_rows(folder: Path, count: int) -> list[Row]:
    """The first rows of each file."""
    student = load_student(folder)
    rows = []
    for question, solution in first_pairs(count):
        prompt, completion = row_ids(student, CHAT, question, solution)
        rows.append(Row(question, solution, prompt, completion))
    return rows


def run_all(
    folder: Path,
    rows: Sequence[Row],
    precision: Precision,
    sizes: Sequence[int],
    repeats: int,
) -> Runs:
    runs = Runs([], {size: [] for size in sizes}, [])
    for _ in range(repeats):
        runs.peaks.append(run_fresh(peak_operations, precision))
        runs.ours.append(run_fresh(score_with_ours, str(folder), rows, precision))
        for size in sizes:
            scores = run_fresh(score_with_peer, str(folder), rows, precision, size)
            runs.peer[size].append(scores)
    return runs


def score_with_ours(folder: str, rows: Sequence[Row], precision: Precision) -> Scores:
    from teachback.student.inference import load_for_inference
    from teachback.student.scoring import read_answers, score_answers

    student = load_for_inference(Path(folder), precision)
    pairs = [(row.message, row.answer) for row in rows]
    score_answers(student, CHAT, pairs[:2])
    loaded_mib = resident_mib()

    nlls, seconds = run_timed(partial(score_answers, student, CHAT, pairs))
    mib = peak_mib() - loaded_mib
    rss_mib = peak_mib()
    answers, all_signals_s = run_timed(partial(read_answers, student, CHAT, pairs))
    for answer, nll in zip(answers, nlls, strict=True):
        assert abs(answer.nll - nll) < 1e-5

    sums = [-nll * len(row.completion_ids) for nll, row in zip(nlls, rows, strict=True)]
    return Scores(sums, seconds, mib, rss_mib, all_signals_s)


def score_with_peer(
    folder: str, rows: Sequence[Row], precision: Precision, size: int
) -> Scores:
    os.environ["HF_HUB_OFFLINE"] = "1"
    import torch
    from lm_eval.models.huggingface import HFLM

    dtype = "float32" if precision == "float32" else "bfloat16"
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = HFLM(pretrained=folder, dtype=dtype, device=device, batch_size=size)
    # Past its tokenizer, which would move the newline before an answer from the prompt
    # to the answer.
    requests = [(("", ""), row.prompt_ids, row.completion_ids) for row in rows]
    score = partial(model._loglikelihood_tokens, disable_tqdm=True)
    score(requests[:2])
    loaded_mib = resident_mib()

    results, seconds = run_timed(partial(score, requests))
    sums = [float(total) for total, _ in results]
    return Scores(sums, seconds, peak_mib() - loaded_mib, peak_mib())


def peak_operations(precision: Precision) -> float:
    """The most operations a second of a large matrix product.

    It tries torch's own product, and one with weights in oneDNN's layout.
    """
    import torch

    dtype = torch.float32 if precision == "float32" else torch.bfloat16
    x = torch.randn(PEAK_SIZE, PEAK_SIZE).to(dtype)
    packed_weight = torch.ops.mkldnn._reorder_linear_weight(x)

    def multiply() -> Any:
        return x @ x

    def multiply_packed() -> Any:
        return torch.ops.mkldnn._linear_pointwise(
            x, packed_weight, None, "none", [], ""
        )

    tries = [*[multiply] * PEAK_TRIES, *[multiply_packed] * PEAK_TRIES]
    seconds = [run_timed(product)[1] for product in tries]
    return float(2 * PEAK_SIZE**3 / min(seconds))


def count_operations(folder: Path, rows: Sequence[Row]) -> float:
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(folder)
    body, embedding = count_weights(folder)
    width = config.num_attention_heads * config.head_dim
    n_shared = shared_prefix_length([row.prompt_ids for row in rows])  # read once
    total = 0.0
    for row in rows:
        length = len(row.prompt_ids) + len(row.completion_ids) - 1
        # The tokens that all tokens of this row may see.
        visible = (length * (length + 1) - n_shared * (n_shared + 1)) / 2
        total += 2 * body * (length - n_shared)
        total += 2 * embedding * len(row.completion_ids)
        total += 2 * 2 * width * visible * config.num_hidden_layers
    return total


def count_weights(folder: Path) -> tuple[int, int]:
    """Weights of matrices: in the body, and in the embedding."""
    body = embedding = 0
    for name, parameter in load_student(folder).model.named_parameters():
        if parameter.ndim != 2:
            continue
        if "embed_tokens" in name:
            embedding += parameter.numel()
        elif "lm_head" not in name:
            body += parameter.numel()
    return body, embedding


def summarise(
    folder: Path, rows: Sequence[Row], runs: Runs, reference: Sequence[float]
) -> dict[str, Any]:
    seconds = {"ours": [result.seconds for result in runs.ours]}
    for size, results in runs.peer.items():
        seconds[f"lm_eval, batch {size}"] = [result.seconds for result in results]

    ours_s = median(seconds["ours"])
    peer_s = median(result.seconds for result in runs.best_peer)
    ours_mib = max(result.mib for result in runs.ours)
    peer_mib = max(result.mib for result in runs.best_peer)
    signals_over_loss = median(
        result.all_signals_s / result.seconds for result in runs.ours
    )
    peak = median(runs.peaks)
    operations = count_operations(folder, rows)
    return {
        "ratio": round(peer_s / ours_s, 3),
        "seconds": {name: spread(values) for name, values in seconds.items()},
        "tokens_a_second": round(count_tokens(rows) / ours_s, 1),
        "all_signals_over_loss": round(signals_over_loss, 3),
        "mib_above_the_model": {
            "ours": round(ours_mib, 1),
            "lm_eval": round(peer_mib, 1),
        },
        "memory_ratio": round(ours_mib / peer_mib, 3),
        "peak_gflops": round(peak / 1e9, 1),
        "share_of_peak": round(operations / ours_s / peak, 3),
        "nats_off_float32": {
            "ours": nats_off(reference, runs.ours[0].sums),
            "lm_eval": nats_off(reference, runs.best_peer[0].sums),
        },
    }


def describe_failures(precision: str, result: Mapping[str, Any]) -> list[str]:
    """All but the ratio in float32, which is the benchmark's own."""
    at_least = {"share_of_peak": MIN_SHARE_OF_PEAK}
    if precision != "float32":
        at_least["ratio"] = TARGETS[precision]
    at_most = {
        "all_signals_over_loss": MAX_SIGNALS_OVER_LOSS,
        "memory_ratio": MAX_MEMORY_RATIO,
    }
    failures = []
    for name, target in at_least.items():
        if result[name] < target:
            failures.append(
                f"{precision}: {name} {result[name]}, target at least {target}"
            )
    for name, target in at_most.items():
        if result[name] > target:
            failures.append(
                f"{precision}: {name} {result[name]}, target at most {target}"
            )
    return failures


def same_in_float32(runs: Runs) -> bool:
    reference = runs.ours[0].sums
    firsts = [results[0].sums for results in runs.peer.values()]
    return all(nats_off(reference, sums)["largest"] < MAX_NATS_OFF for sums in firsts)


def nearer_in_bf16(runs: Runs, reference: Sequence[float]) -> bool:
    ours = nats_off(reference, runs.ours[0].sums)["mean"]
    firsts = [results[0].sums for results in runs.peer.values()]
    return all(ours <= nats_off(reference, sums)["mean"] for sums in firsts)


def nats_off(a: Sequence[float], b: Sequence[float]) -> dict[str, float]:
    """How far the rows' log-likelihoods lie apart, in nats a row."""
    apart = [abs(x - y) for x, y in zip(a, b, strict=True)]
    return {"largest": round(max(apart), 6), "mean": round(sum(apart) / len(apart), 6)}


def count_tokens(rows: Sequence[Row]) -> int:
    return sum(len(row.prompt_ids) + len(row.completion_ids) for row in rows)
