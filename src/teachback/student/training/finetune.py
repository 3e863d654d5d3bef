"""Finetuning on completions only, with transformers' Trainer.

What differs from a plain Trainer run:
- Rows lie one behind the other, without padding, each seeing itself only (apart.py); the head
  runs on completion tokens only, together with the loss (head_loss.py). Where a model doesn't
  allow that, it is trained on padded rows.
- An optimiser step is a fixed number of rows, however they are split into micro-batches, and the
  loss is the mean over the step's completion tokens: neither depends on the micro-batch
  (trainer.py).
- The order of the rows is a list made beforehand; Trainer reads it in sequence.
Parameters that are trained, and the optimiser, are float32; precision "bf16" means autocast.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from ...run.child import Child, SendMessage
from ..chat import Chat
from ..heap import keep_freed_memory
from ..loading import load_student
from .batch import (
    IGNORED_LABEL,
    TokenRow,
    pad_batch,
    schedule_rows,
    tokenize_row,
    tokenize_rows,
)
from .checkpoints import find_last_checkpoint
from .layout import choose_layout
from .memory import check_memory
from .methods import (
    cast_frozen_layers,
    check_method,
    enable_checkpointing,
    prepare_model,
    save_student,
)
from .recipe import Recipe, RuntimeOptions
from .trainer import make_trainer

__all__ = [
    "IGNORED_LABEL",
    "Recipe",
    "RuntimeOptions",
    "TokenRow",
    "finetune",
    "pad_batch",
    "schedule_rows",
    "tokenize_row",
]

DEFAULT_OPTIONS = RuntimeOptions()


class FinetuneJob(NamedTuple):
    """All that finetuning depends on. rows: (message, answer) pairs."""

    start: Path
    rows: Sequence[tuple[str, str]]
    workspace: Path
    chat: Chat
    recipe: Recipe
    seed: int
    means: RuntimeOptions


def finetune(
    start: Path,
    rows: Sequence[tuple[str, str]],
    workspace: Path,
    *,
    chat: Chat,
    recipe: Recipe,
    seed: int,
    means: RuntimeOptions = DEFAULT_OPTIONS,
    child: bool = False,
    tell: Callable[[int, int], None] = lambda step, steps: None,
    say: Callable[[str], None] = lambda what: None,
) -> Path:
    """Train the student in `start` on (message, answer) rows and save it in workspace/student,
    whole.

    Checkpoints go to workspace/checkpoints; after a kill the same call goes on from the last
    finished one and ends with the same bits. LoRA adapters are merged into the saved weights.
    child: in a process of its own, whose memory is free when it ends. tell: step and steps. say:
    what a reader should know (how rows are batched, memory).
    """
    job = FinetuneJob(start, rows, workspace, chat, recipe, seed, means)
    if child:
        hear: dict[str, Callable[..., None]] = {"tell": tell, "say": say}
        with Child() as process:
            process.run_function(
                "teachback.student.training.finetune:train_in_child",
                job,
                lambda what, *rest: hear[what](*rest),
            )
    else:
        run_job(job, tell, say)
    return workspace / "student"


def train_in_child(job: FinetuneJob, send: SendMessage) -> None:
    """In a child."""
    run_job(
        job,
        lambda step, steps: send("tell", step, steps),
        lambda what: send("say", what),
    )


def run_job(
    job: FinetuneJob, tell: Callable[[int, int], None], say: Callable[[str], None]
) -> None:
    check_method(job.recipe)
    keep_freed_memory()
    student = load_student(job.start)
    tokens = tokenize_rows(student, job.chat, job.rows)
    way = choose_layout(student.model, tokens, job.means.pack)
    say(str(way))
    model = prepare_model(student, job.start, job.recipe, job.seed)
    if job.recipe.precision == "bf16":
        cast_frozen_layers(model)
    if job.means.checkpointing:
        enable_checkpointing(model)
    say(check_memory(model, tokens, way, job.recipe, job.means).told())
    data = schedule_rows(tokens, job.recipe, job.seed)
    checkpoints = job.workspace / "checkpoints"
    trainer = make_trainer(
        model, data, checkpoints, job.recipe, job.means, way, job.seed, tell, say
    )
    with way.attention(model):
        trainer.train(resume_from_checkpoint=find_last_checkpoint(checkpoints))
    model, tokenizer = trainer.model, student.tokenizer
    del trainer, student  # and with them the optimiser
    save_student(
        model,
        tokenizer,
        job.start,
        job.recipe,
        job.workspace / "student",
        job.means.save_adapter,
    )
