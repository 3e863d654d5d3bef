"""The mean nll of given answers: ours against lm-eval's `loglikelihood`, its best of batches of 8, 16 and 32.

The same rows for both: real questions of GSM8K and ProntoQA, each with its own solution, as conversations. The gate: in
float32 the same log-likelihood of every row, to a millinat; in bf16 ours is nearer to float32 than lm-eval's. Each
contender runs in a process of its own, in turn. `ratio` is lm-eval's seconds / ours in float32.

Also measured: all signals together against the loss alone; memory above the loaded model; and what share of the
machine's matrix-product peak the pass reaches. Counted are two operations a weight of the body for every token that is
read (not the padding; what all rows begin with is read once), of the head for every token of an answer, and the
attention's products over what a token may see.
"""

import json
import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, Literal, NamedTuple

from bench.against import Outcome, fresh, peak_mib, spread
from teachback.student.chat import Chat, row_ids
from teachback.student.folder import load, resolve
from teachback.student.reading import common

FILES = ("gsm8k_train.jsonl", "prontoqa_train.jsonl")
BATCHES, REPEATS = (8, 16, 32), 3
TARGETS = {"float32": 1.5, "bf16": 1.6}
SIGNALS, MEMORY, PEAK = 1.25, 0.5, 0.75
CHAT = Chat("Reason step by step.")

Precision = Literal["float32", "bf16"]


class Row(NamedTuple):
    """A question and its solution, and both as tokens, in the chat template."""

    message: str
    answer: str
    prompt_ids: list[int]
    completion_ids: list[int]


class Scored(NamedTuple):
    """sums: of each row's answer. mib: peak memory above the loaded model. other_s: the time of all the signals."""

    sums: list[float]
    seconds: float
    mib: float
    rss_mib: float
    other_s: float = 0.0


def bench(quick: bool) -> Outcome:
    folder, identity = resolve("smollm2-135m")
    rows = work(folder, 3 if quick else 24)
    repeats, sizes = (1, BATCHES[:1]) if quick else (REPEATS, BATCHES)
    peaks: dict[str, list[float]] = {precision: [] for precision in TARGETS}
    facts: dict[str, Any] = {}
    missed, same, ratio, rss = [], True, 0.0, 0.0
    exact: Sequence[float] = []
    for precision in TARGETS:
        our: list[Scored] = []
        their: dict[int, list[Scored]] = {size: [] for size in sizes}
        for _ in range(repeats):
            peaks[precision].append(fresh(peak, precision))
            our.append(fresh(ours, str(folder), rows, precision))
            for size in sizes:
                their[size].append(fresh(theirs, str(folder), rows, precision, size))
        best = min(sizes, key=lambda size: median(one.seconds for one in their[size]))
        one = summary(folder, rows, our, their, best, median(peaks[precision]))
        facts[precision] = one
        exact = exact or our[0].sums
        same &= all(
            agree(precision, exact, our[0].sums, runs[0]) for runs in their.values()
        )
        facts[precision]["nats_off_float32"] = {
            "ours": off(exact, our[0].sums),
            "lm_eval": off(exact, their[best][0].sums),
        }
        missed += [f"{precision}: {text}" for text in shortfalls(precision, one)]
        ratio, rss = ratio or one["ratio"], max(rss, *(o.rss_mib for o in our))
    versions = {name: version(name) for name in ("lm-eval", "torch", "transformers")}
    tokens = {
        "rows": len(rows),
        "tokens": tokens_of(rows),
        "of_answers": sum(len(row.completion_ids) for row in rows),
    }
    about = {
        "student": identity,
        "files": FILES,
        **tokens,
        "threads": threads(),
        "versions_compared": versions,
    }
    return Outcome(
        ratio, TARGETS["float32"], same, rss, {"work": about, **facts}, missed
    )


def work(folder: Path, each: int) -> list[Row]:
    """The first rows of each file."""
    data = Path(
        os.environ.get("TEACHBACK_DATA", Path(__file__).parents[1] / "../shared/data")
    )
    student, rows = load(folder), []
    for name in FILES:
        with open(data / name, encoding="utf-8") as file:
            for line, _ in zip(file, range(each), strict=False):
                row = json.loads(line)
                tokens = row_ids(student, CHAT, row["question"], row["solution"])
                rows.append(Row(row["question"], row["solution"], *tokens))
    return rows


def ours(folder: str, rows: Sequence[Row], precision: Precision) -> Scored:
    from teachback.student.frozen import freeze
    from teachback.student.signals import read, score

    student = freeze(Path(folder), precision)
    given = [(row.message, row.answer) for row in rows]
    score(student, CHAT, given[:2])
    loaded = rss_mib()
    means, seconds = timed(partial(score, student, CHAT, given))
    above, peak_rss = peak_mib() - loaded, peak_mib()
    answers, other_s = timed(partial(read, student, CHAT, given))
    assert max(abs(a.nll - mean) for a, mean in zip(answers, means, strict=True)) < 1e-5
    sums = [
        -mean * len(row.completion_ids) for mean, row in zip(means, rows, strict=True)
    ]
    return Scored(sums, seconds, above, peak_rss, other_s=other_s)


def theirs(
    folder: str, rows: Sequence[Row], precision: Precision, batch: int
) -> Scored:
    os.environ["HF_HUB_OFFLINE"] = "1"
    import torch
    from lm_eval.models.huggingface import HFLM

    dtype = "float32" if precision == "float32" else "bfloat16"
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = HFLM(pretrained=folder, dtype=dtype, device=device, batch_size=batch)
    # behind its tokenizer, which would move the newline before an answer from the prompt to the answer
    asked = [(("", ""), row.prompt_ids, row.completion_ids) for row in rows]
    model._loglikelihood_tokens(asked[:2], disable_tqdm=True)
    loaded = rss_mib()
    found, seconds = timed(
        partial(model._loglikelihood_tokens, asked, disable_tqdm=True)
    )
    return Scored(
        [float(total) for total, _ in found], seconds, peak_mib() - loaded, peak_mib()
    )


def timed(function: Callable[[], Any]) -> tuple[Any, float]:
    started = time.perf_counter()
    value = function()
    return value, time.perf_counter() - started


def peak(precision: Precision) -> float:
    """The most operations a second of a large product here: torch's own, and with weights in oneDNN's layout."""
    import torch

    size = 2048
    x = torch.randn(size, size).to(
        torch.float32 if precision == "float32" else torch.bfloat16
    )
    packed = torch.ops.mkldnn._reorder_linear_weight(x)
    best = float("inf")
    for product in (
        lambda: x @ x,
        lambda: torch.ops.mkldnn._linear_pointwise(x, packed, None, "none", [], ""),
    ):
        best = min(best, *(timed(product)[1] for _ in range(8)))
    return 2 * size**3 / best


def operations(folder: Path, rows: Sequence[Row]) -> float:
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(folder)
    parameters = {
        name: p.numel()
        for name, p in load(folder).model.named_parameters()
        if p.ndim == 2
    }
    embedding = sum(n for name, n in parameters.items() if "embed_tokens" in name)
    body = sum(
        n
        for name, n in parameters.items()
        if "embed_tokens" not in name and "lm_head" not in name
    )
    width = config.num_attention_heads * config.head_dim
    known, total = (
        common([row.prompt_ids for row in rows]),
        0.0,
    )  # what all rows begin with is read once
    for row in rows:
        length = len(row.prompt_ids) + len(row.completion_ids) - 1
        seen = (
            length * (length + 1) - known * (known + 1)
        ) / 2  # what the tokens of a row may see, together
        total += 2 * body * (length - known) + 2 * embedding * len(row.completion_ids)
        total += 2 * 2 * width * seen * config.num_hidden_layers
    return total


def summary(
    folder: Path,
    rows: Sequence[Row],
    our: Sequence[Scored],
    their: dict[int, list[Scored]],
    best: int,
    peak: float,
) -> dict[str, Any]:
    seconds = median(one.seconds for one in our)
    memory = {
        "ours": max(one.mib for one in our),
        "lm_eval": max(one.mib for one in their[best]),
    }
    return {
        "ratio": round(median(one.seconds for one in their[best]) / seconds, 3),
        "seconds": {"ours": spread([one.seconds for one in our])}
        | {
            f"lm_eval, batch {size}": spread([one.seconds for one in runs])
            for size, runs in their.items()
        },
        "tokens_a_second": round(tokens_of(rows) / seconds, 1),
        "all_signals_over_loss": round(
            median(one.other_s / one.seconds for one in our), 3
        ),
        "mib_above_the_model": {name: round(mib, 1) for name, mib in memory.items()},
        "memory_ratio": round(memory["ours"] / memory["lm_eval"], 3),
        "peak_gflops": round(peak / 1e9, 1),
        "share_of_peak": round(operations(folder, rows) / seconds / peak, 3),
    }


def shortfalls(precision: str, found: dict[str, Any]) -> list[str]:
    """The ratio in float32 is the benchmark's own, and told by it."""
    checks = [
        (
            "ratio",
            found["ratio"] >= TARGETS[precision] or precision == "float32",
            f"at least {TARGETS[precision]}",
        ),
        (
            "all_signals_over_loss",
            found["all_signals_over_loss"] <= SIGNALS,
            f"at most {SIGNALS}",
        ),
        ("memory_ratio", found["memory_ratio"] <= MEMORY, f"at most {MEMORY}"),
        ("share_of_peak", found["share_of_peak"] >= PEAK, f"at least {PEAK}"),
    ]
    return [
        f"{name} {found[name]}, target {target}"
        for name, met, target in checks
        if not met
    ]


def agree(
    precision: str, exact: Sequence[float], our: Sequence[float], their: Scored
) -> bool:
    if precision == "float32":
        return off(our, their.sums)["largest"] < 1e-3
    return off(exact, our)["mean"] <= off(exact, their.sums)["mean"]


def off(a: Sequence[float], b: Sequence[float]) -> dict[str, float]:
    """How far log-likelihoods of rows lie apart, in nats a row."""
    apart = [abs(x - y) for x, y in zip(a, b, strict=True)]
    return {"largest": round(max(apart), 6), "mean": round(sum(apart) / len(apart), 6)}


def tokens_of(rows: Sequence[Row]) -> int:
    return sum(len(row.prompt_ids) + len(row.completion_ids) for row in rows)


def rss_mib() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def threads() -> int:
    import torch

    return torch.get_num_threads()
