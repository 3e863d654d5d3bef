"""Finetuning on completions only, with transformers' Trainer.

What differs from a plain Trainer run:
- Rows stand one after the other, without padding, and each sees itself only
  (packed_attention.py). The head runs on completion tokens only, together with the loss
  (head_loss.py). A model that doesn't allow that is trained on padded rows (layout.py).
- An optimiser step is a fixed number of rows, and the loss is the mean over the step's
  completion tokens: neither depends on how rows are split into micro-batches (trainer.py).
- The order of the rows is a list made beforehand; Trainer reads it in sequence (batch.py).

Trained parameters and the optimiser are float32; precision "bf16" means autocast.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from ...errors import explain_disk_errors
from ...run.child import Child, SendMessage
from ..chat import Chat
from ..heap import keep_freed_memory
from ..inference import find_decoder, run_trial_rows
from ..loading import LoadedStudent, load_student
from .batch import schedule_rows, tokenize_rows
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

__all__ = ["Recipe", "RuntimeOptions", "finetune"]

DEFAULT_OPTIONS = RuntimeOptions()


class FinetuneJob(NamedTuple):
    """All that finetuning depends on."""

    start: Path
    rows: Sequence[tuple[str, str]]  # (message, answer) pairs
    workspace: Path
    chat: Chat
    recipe: Recipe
    seed: int
    options: RuntimeOptions


def finetune(
    start: Path,
    rows: Sequence[tuple[str, str]],
    workspace: Path,
    *,
    chat: Chat,
    recipe: Recipe,
    seed: int,
    options: RuntimeOptions = DEFAULT_OPTIONS,
    child: bool = False,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    on_note: Callable[[str], None] = lambda text: None,
) -> Path:
    """Train the student in `start` on (message, answer) rows. Returns its new folder.

    The new student is saved whole: LoRA adapters are merged into its weights. Checkpoints
    go to workspace/checkpoints. After a kill the same call resumes from the last complete
    one and ends with the same bits.

    child: run in a process of its own, whose memory is free when it ends.
    on_progress(done, total) counts optimiser steps. on_note(text) gets what a reader
    should know: how rows are batched, and the memory. Raises StudentError.
    """
    job = FinetuneJob(start, rows, workspace, chat, recipe, seed, options)
    if not child:
        run_finetune_job(job, on_progress, on_note)
        return student_folder(job)

    callbacks: dict[str, Callable[..., None]] = {
        "progress": on_progress,
        "note": on_note,
    }
    with Child() as process:
        process.run_function(
            "teachback.student.training.finetune:finetune_in_child",
            job,
            lambda kind, *values: callbacks[kind](*values),
        )
    return student_folder(job)


def finetune_in_child(job: FinetuneJob, send: SendMessage) -> None:
    """What the child process runs. It sends what `finetune` hands to the callbacks."""
    run_finetune_job(
        job,
        lambda done, total: send("progress", done, total),
        lambda text: send("note", text),
    )


def run_finetune_job(
    job: FinetuneJob,
    on_progress: Callable[[int, int], None],
    on_note: Callable[[str], None],
) -> None:
    recipe, options = job.recipe, job.options
    check_method(recipe)
    keep_freed_memory()
    student = load_student(job.start, job.chat)
    check_runs(job.start, student)
    rows = tokenize_rows(student, job.chat, job.rows)
    # The layout is tried on the student as it was loaded, before adapters are added.
    layout = choose_layout(student.model, rows, options.pack)
    on_note(str(layout))

    model = prepare_model(student, job.start, recipe, job.seed)
    if recipe.precision == "bf16":
        cast_frozen_layers(model)
    if options.gradient_checkpointing:
        enable_checkpointing(model)
    estimate = check_memory(model, rows, layout, recipe, options)
    on_note(estimate.describe())

    checkpoints = job.workspace / "checkpoints"
    trainer = make_trainer(
        model,
        schedule_rows(rows, recipe, job.seed),
        checkpoints,
        recipe,
        options,
        layout,
        job.seed,
        on_progress,
        on_note,
    )
    # What training itself writes is its checkpoints.
    with layout.attention(model), explain_disk_errors(checkpoints):
        trainer.train(resume_from_checkpoint=find_last_checkpoint(checkpoints))

    model = trainer.model
    tokenizer = student.tokenizer
    # The optimiser goes with them: saving may load the student once more.
    del trainer, student
    out = student_folder(job)
    save_student(model, tokenizer, job.start, recipe, out, options.save_adapter)


def check_runs(folder: Path, student: LoadedStudent) -> None:
    """Raises StudentError for a model that fails on a short row, or gives no numbers."""
    import torch

    decoder = find_decoder(student.model)
    if decoder is not None:
        with torch.no_grad():
            run_trial_rows(folder, student.model, decoder, student.device)


def student_folder(job: FinetuneJob) -> Path:
    return job.workspace / "student"
