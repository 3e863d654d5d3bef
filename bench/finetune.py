"""Finetuning SmolLM2-135M: ours against TRL's SFTTrainer and a plain transformers Trainer.

All get the same rows as the same tokens in the same order, 8 a step; fused AdamW, a
cosine with warmup, gradient clipping, bf16 autocast over float32 weights. Prompts are
masked, activations are not checkpointed, nothing is logged or saved on the way. The
peers get a step's rows, sorted by length, as one batch (faster here than two).

Three cases: GSM8K and ProntoQA by turns, question → worked solution, with all weights
and with LoRA; and ProntoQA, question → True or False, where nearly all tokens are the
prompt's. Each contender runs in a process of its own, in turn. A process's first step
warms up and is not counted.

The gate: after the same steps, the loss on the same held rows, in float32, is within 1 %
of either peer's. Labels of two tokens are the exception: a few steps change that loss
much, and bf16's rounding on the way sends it anywhere. So we and Trainer do that case
once more in float32 and must agree to 0.01 %, and in bf16 ours must end as near to that
as the peers do.

`ratio` is the smallest of our tokens a second over a peer's, with solutions. The case of
long prompts has a target of its own.
"""

import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any, Literal, NamedTuple

from bench.conversations import CHAT, FILES, Pair, alternate, read_pairs
from bench.machine import count_cores
from bench.outcome import Outcome
from bench.process import peak_mib, run_fresh, spread
from teachback.student.folder import resolve_model
from teachback.student.loading import load_student
from teachback.student.training.batch import (
    TokenRow,
    row_length,
    schedule_rows,
    tokenize_row,
)
from teachback.student.training.finetune import Recipe, RuntimeOptions, finetune
from teachback.student.training.layout import PADDED_LAYOUT, compute_batch_loss

TARGET = 1.8
PROMPTS_TARGET = 1.2
MAX_LOSS_OFF = 0.01
MAX_FLOAT32_OFF = 1e-4
MAX_MEMORY = 1.0
ROWS_PER_STEP = 8
STEPS = 4
HELD_ROWS = 16
REPEATS = 2
SEED = 1
MICRO_TOKENS = RuntimeOptions().micro_tokens
LIBRARIES = ("torch", "transformers", "trl")
CONTENDERS = ("ours", "trl", "plain")
PEERS = CONTENDERS[1:]

Precision = Literal["float32", "bf16"]


class Case(NamedTuple):
    method: Literal["full", "lora"]
    labels_only: bool  # ProntoQA's labels, in place of solutions
    target: float


CASES = {
    "full": Case("full", False, TARGET),
    "lora": Case("lora", False, TARGET),
    "prompts": Case("full", True, PROMPTS_TARGET),
}


class Result(NamedTuple):
    # Of each step but the first: seconds, and tokens without padding.
    seconds: list[float]
    tokens: list[int]
    # On the held rows.
    loss: float
    rss_mib: float

    @property
    def tokens_per_second(self) -> float:
        return sum(self.tokens) / sum(self.seconds)


class Job(NamedTuple):
    """One contender's work."""

    folder: Path
    rows: list[Pair]
    workspace: Path
    recipe: Recipe
    # Filled in on the way: when each step ended.
    step_ends: list[float]


Runs = dict[str, list[Result]]  # by contender


def bench(quick: bool) -> Outcome:
    folder, identity = resolve_model("smollm2-135m")
    steps, repeats = (2, 1) if quick else (STEPS, REPEATS)
    runs: dict[str, Runs] = {}
    for case in CASES:
        runs[case] = {name: [] for name in CONTENDERS}
    for _ in range(repeats):
        for case, by_name in runs.items():
            for name, results in by_name.items():
                results.append(run_fresh(train, name, case, folder, steps))
    exact = {
        name: run_fresh(train, name, "prompts", folder, steps, "float32").loss
        for name in ("ours", "plain")
    }

    facts: dict[str, Any] = {
        "student": identity,
        "versions_compared": {name: version(name) for name in LIBRARIES},
        "work": {
            "rows_a_step": ROWS_PER_STEP,
            "steps": steps,
            "repeats": repeats,
            "held_rows": HELD_ROWS,
            "threads": count_cores(),
        },
    }
    for case, by_name in runs.items():
        facts[case] = summarise(by_name, CASES[case])
    facts["prompts"]["held_loss_float32"] = {
        name: round(loss, 6) for name, loss in exact.items()
    }

    failures = [text for case in CASES for text in describe_failures(case, runs[case])]
    ratio = min(*speedups(runs["full"]).values(), *speedups(runs["lora"]).values())
    same = (
        losses_agree(runs["full"])
        and losses_agree(runs["lora"])
        and near_float32(runs["prompts"], **exact)
    )
    ours = [result for by_name in runs.values() for result in by_name["ours"]]
    rss_mib = max(result.rss_mib for result in ours)
    return Outcome(ratio, TARGET, same, rss_mib, facts, failures)


def summarise(runs: Runs, case: Case) -> dict[str, Any]:
    return {
        **{name: describe(results) for name, results in runs.items()},
        "ratio": {name: round(ratio, 3) for name, ratio in speedups(runs).items()},
        "memory_of_trl": round(memory_of_trl(runs), 3),
        "target": case.target,
    }


def describe(results: Sequence[Result]) -> dict[str, Any]:
    step_seconds = [seconds for result in results for seconds in result.seconds]
    return {
        "tokens_a_second": spread([result.tokens_per_second for result in results], 1),
        "step_s": spread(step_seconds, 2),
        "held_loss": spread([result.loss for result in results], 5),
        "rss_mib": spread([result.rss_mib for result in results], 0),
    }


def describe_failures(name: str, runs: Runs) -> list[str]:
    ratio = min(speedups(runs).values())
    target = CASES[name].target
    memory = memory_of_trl(runs)
    failures = []
    if ratio < target:
        failures.append(f"{name}: ratio {ratio:.2f}, target {target:g}")
    if memory > MAX_MEMORY:
        failures.append(f"{name}: {memory:.2f} of TRL's memory, target {MAX_MEMORY:g}")
    return failures


def speedups(runs: Runs) -> dict[str, float]:
    """By peer: our tokens a second over the peer's."""
    ours = median_speed(runs["ours"])
    return {name: ours / median_speed(runs[name]) for name in PEERS}


def median_speed(results: Sequence[Result]) -> float:
    return median(result.tokens_per_second for result in results)


def memory_of_trl(runs: Runs) -> float:
    """Our peak memory over TRL's."""
    ours = median(result.rss_mib for result in runs["ours"])
    return ours / median(result.rss_mib for result in runs["trl"])


def median_losses(runs: Runs) -> dict[str, float]:
    losses = {}
    for name, results in runs.items():
        losses[name] = median(result.loss for result in results)
    return losses


def losses_agree(runs: Runs) -> bool:
    losses = median_losses(runs)
    off = [abs(losses["ours"] / losses[name] - 1) for name in PEERS]
    return max(off) <= MAX_LOSS_OFF


def near_float32(runs: Runs, ours: float, plain: float) -> bool:
    """ours, plain: the held loss after the same steps in float32."""
    losses = median_losses(runs)
    off = {name: abs(loss - plain) for name, loss in losses.items()}
    as_near = off["ours"] <= max(off[name] for name in PEERS)
    return abs(ours / plain - 1) <= MAX_FLOAT32_OFF and (losses_agree(runs) or as_near)


def make_rows(labels_only: bool, count: int) -> list[Pair]:
    """(question, solution) pairs of both files by turns, or ProntoQA's (question, label)."""
    if labels_only:
        return read_pairs("prontoqa_train.jsonl", count, "answer")
    return alternate(read_pairs(name, count) for name in FILES)[:count]


def train(
    name: str, case_name: str, folder: Path, steps: int, precision: Precision = "bf16"
) -> Result:
    """Steps of one contender in this process, its peak memory, and its held loss."""
    import torch

    torch.set_num_threads(count_cores())
    case = CASES[case_name]
    recipe = Recipe(
        method=case.method,
        lr=1e-4,
        epochs=1,
        rows_per_step=ROWS_PER_STEP,
        warmup=1 / steps,
        precision=precision,
    )
    split = steps * ROWS_PER_STEP
    pairs = make_rows(case.labels_only, split + HELD_ROWS)
    train_rows = pairs[:split]
    held_rows = pairs[split:]

    with tempfile.TemporaryDirectory(prefix="bench-") as workspace:
        job = Job(folder, train_rows, Path(workspace), recipe, [])
        model = TRAIN[name](job)
        rss_mib = peak_mib()
        student = load_student(model if isinstance(model, Path) else folder)
    if isinstance(model, Path):
        model = student.model

    step_seconds = [end - start for start, end in pairwise(job.step_ends)]
    order = schedule_rows(tokenize(student, train_rows), recipe, SEED)
    starts = range(ROWS_PER_STEP, len(order), ROWS_PER_STEP)  # without the first step
    step_tokens = [
        sum(map(row_length, order[start : start + ROWS_PER_STEP])) for start in starts
    ]
    loss = held_loss(model.eval(), tokenize(student, held_rows))
    return Result(step_seconds, step_tokens, loss, rss_mib)


def tokenize(student: Any, pairs: Sequence[Pair]) -> list[TokenRow]:
    return [tokenize_row(student, CHAT, *pair) for pair in pairs]


def held_loss(model: Any, rows: Sequence[TokenRow]) -> float:
    """The mean over the answers' tokens."""
    import torch

    device = torch.device("cpu")
    total = 0.0
    with torch.no_grad():
        for start in range(0, len(rows), 4):
            total += compute_batch_loss(
                model, rows[start : start + 4], PADDED_LAYOUT, device
            ).item()
    return total / sum(len(row["answer"]) for row in rows)


def train_with_ours(job: Job) -> Path:
    """The finetuned student's folder."""
    return finetune(
        job.folder,
        job.rows,
        job.workspace,
        chat=CHAT,
        recipe=job.recipe,
        seed=SEED,
        options=RuntimeOptions(micro_tokens=MICRO_TOKENS, checkpoint_every_s=1e9),
        on_progress=lambda done, total: job.step_ends.append(time.perf_counter()),
    )


def train_with_trl(job: Job) -> Any:
    """The trained model."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    student = load_student(job.folder)
    rows = schedule_rows(tokenize(student, job.rows), job.recipe, SEED)
    columns = {
        "input_ids": [[*row["prompt"], *row["answer"]] for row in rows],
        "completion_mask": [
            [0] * len(row["prompt"]) + [1] * len(row["answer"]) for row in rows
        ],
    }
    settings = SFTConfig(
        **trainer_settings(job),
        gradient_checkpointing=False,
        completion_only_loss=True,
        max_length=None,
    )
    trainer = SFTTrainer(
        model=student.model,
        args=settings,
        train_dataset=Dataset.from_dict(columns),
        processing_class=student.tokenizer,
        peft_config=lora_config(job.recipe) if job.recipe.method == "lora" else None,
        callbacks=[step_clock(job.step_ends)],
    )
    trainer.train()
    return without_autocast(trainer)


def train_with_trainer(job: Job) -> Any:
    """The trained model."""
    from peft import get_peft_model
    from transformers import DataCollatorForSeq2Seq, Trainer, TrainingArguments

    student = load_student(job.folder)
    model = student.model
    if job.recipe.method == "lora":
        model = get_peft_model(model, lora_config(job.recipe))
    rows = schedule_rows(tokenize(student, job.rows), job.recipe, SEED)
    trainer = Trainer(
        model=model,
        args=TrainingArguments(**trainer_settings(job)),
        train_dataset=[masked_row(row) for row in rows],
        data_collator=DataCollatorForSeq2Seq(student.tokenizer),
        callbacks=[step_clock(job.step_ends)],
    )
    trainer.train()
    return without_autocast(trainer)


def masked_row(row: TokenRow) -> dict[str, list[int]]:
    return {
        "input_ids": [*row["prompt"], *row["answer"]],
        "attention_mask": [1] * row_length(row),
        "labels": [-100] * len(row["prompt"]) + row["answer"],
    }


def trainer_settings(job: Job) -> dict[str, Any]:
    """Settings that both peers share."""
    recipe = job.recipe
    return {
        "output_dir": str(job.workspace),
        "per_device_train_batch_size": ROWS_PER_STEP,
        "num_train_epochs": 1,
        "learning_rate": recipe.lr,
        "lr_scheduler_type": "cosine",
        "warmup_steps": round(recipe.warmup * len(job.rows) / ROWS_PER_STEP),
        "weight_decay": recipe.weight_decay,
        "max_grad_norm": recipe.max_grad_norm,
        "optim": "adamw_torch_fused",
        "bf16": recipe.precision == "bf16",
        "use_cpu": True,
        "seed": SEED,
        "train_sampling_strategy": "sequential",
        "dataloader_pin_memory": False,
        "save_strategy": "no",
        "logging_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
    }


def lora_config(recipe: Recipe) -> Any:
    from peft import LoraConfig

    return LoraConfig(
        r=recipe.lora_rank,
        lora_alpha=recipe.lora_alpha,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )


def without_autocast(trainer: Any) -> Any:
    """The trained model, without the autocast that accelerate wraps around its forward."""
    return trainer.accelerator.unwrap_model(trainer.model, keep_fp32_wrapper=False)


def step_clock(step_ends: list[float]) -> Any:
    from transformers import TrainerCallback

    class Clock(TrainerCallback):
        def on_step_end(self, *args: Any, **kwargs: Any) -> None:
            step_ends.append(time.perf_counter())

    return Clock()


TRAIN = {"ours": train_with_ours, "trl": train_with_trl, "plain": train_with_trainer}
