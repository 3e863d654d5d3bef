"""Finetuning on completions only, with transformers' Trainer.

What differs from a plain Trainer run:
- The head runs on completion positions only (`logits_to_keep`). Prompts are padded on the left and completions on the
  right, so that all completions of a micro-batch begin in the same column and one mask over columns serves them all.
- An optimiser step is a fixed number of rows, however they are split into micro-batches, and the loss is the mean over
  the step's completion tokens: neither depends on the micro-batch (Trainer's `num_items_in_batch`).
- The order of the rows is a list made beforehand; Trainer reads it in sequence.
Parameters and optimiser are float32; precision "bf16" means autocast.
"""

import random
import shutil
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypedDict

from ..files import fsync, settle
from .chat import Chat, row_ids
from .folder import Loaded, load

IGNORE = -100  # what torch's cross entropy leaves out


@dataclass(frozen=True)
class Recipe:
    """lr: peak learning rate. warmup: share of the steps. rows_per_step: rows an optimiser step."""

    method: Literal["full", "lora"] = "full"
    lr: float = 4e-4
    epochs: int = 3
    rows_per_step: int = 8
    warmup: float = 0.1
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    lora_rank: int = 16
    lora_alpha: int = 32
    precision: Literal["float32", "bf16"] = "float32"


class Tokens(TypedDict):
    prompt: list[int]
    answer: list[int]


def finetune(
    start: Path,
    rows: Sequence[tuple[str, str]],
    workspace: Path,
    *,
    chat: Chat,
    recipe: Recipe,
    seed: int,
    micro_rows: int = 4,
    checkpoint_every_s: float = 300,
    tell: Callable[[int, int], None] = lambda step, steps: None,
) -> Path:
    """Train the student in `start` on (message, answer) rows and save it in workspace/student, whole.

    Checkpoints go to workspace/checkpoints; after a kill the same call goes on from the last finished one and ends
    with the same bits. LoRA adapters are merged into the saved weights.
    """
    student = load(start)
    data = schedule([dict_row(student, chat, message, answer) for message, answer in rows], recipe, seed)
    trainer = make_trainer(student, data, workspace / "checkpoints", recipe, seed, micro_rows, checkpoint_every_s, tell)
    trainer.train(resume_from_checkpoint=last_checkpoint(workspace / "checkpoints"))
    model = trainer.model.merge_and_unload() if recipe.method == "lora" else trainer.model
    out = workspace / "student"
    shutil.rmtree(out.with_suffix(".tmp"), ignore_errors=True)
    model.save_pretrained(out.with_suffix(".tmp"))
    student.tokenizer.save_pretrained(out.with_suffix(".tmp"))
    settle(out.with_suffix(".tmp"), out)
    return out


def dict_row(student: Loaded, chat: Chat, message: str, answer: str) -> Tokens:
    prompt, completion = row_ids(student, chat, message, answer)
    return {"prompt": prompt, "answer": completion}


def schedule(rows: Sequence[Tokens], recipe: Recipe, seed: int) -> list[Tokens]:
    """Every row once an epoch in a shuffled order; within a step by length, so that micro-batches pad little."""
    order: list[Tokens] = []
    for epoch in range(recipe.epochs):
        epoch_rows = list(rows)
        random.Random(f"{seed} {epoch}").shuffle(epoch_rows)
        order += epoch_rows
    steps = [order[i : i + recipe.rows_per_step] for i in range(0, len(order), recipe.rows_per_step)]
    return [row for step in steps for row in sorted(step, key=lambda r: len(r["prompt"]) + len(r["answer"]))]


def collate(rows: Sequence[Tokens]) -> dict[str, Any]:
    """A micro-batch of B rows: prompts end and completions begin at the same column.

    labels_B_K1 are aligned with the kept logits (one column earlier than the token they predict); its first column is
    a filler, because Trainer counts labels from the second column on.
    """
    import torch

    before, after = max(len(r["prompt"]) for r in rows), max(len(r["answer"]) for r in rows)
    ids, mask, labels = [], [], []
    for row in rows:
        left, right = before - len(row["prompt"]), after - len(row["answer"])
        ids.append([0] * left + row["prompt"] + row["answer"] + [0] * right)
        mask.append([0] * left + [1] * (len(row["prompt"]) + len(row["answer"])) + [0] * right)
        labels.append([IGNORE] + row["answer"] + [IGNORE] * right)
    mask_B_T = torch.tensor(mask)
    keep_T = torch.zeros(before + after, dtype=torch.bool)
    keep_T[before - 1 : -1] = True
    return {
        "input_ids": torch.tensor(ids),
        "attention_mask": mask_B_T,
        "position_ids": (mask_B_T.cumsum(-1) - 1).clamp(min=0),
        "logits_to_keep": keep_T,
        "labels": torch.tensor(labels),
        "use_cache": False,
    }


def completion_loss(outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
    """Cross entropy summed over the micro-batch's completion tokens / those of the whole step, in float32."""
    import torch.nn.functional as F

    logits_B_K_V, labels_B_K = outputs.logits.float(), labels[:, 1:]
    total = F.cross_entropy(logits_B_K_V.flatten(0, 1), labels_B_K.flatten(), ignore_index=IGNORE, reduction="sum")
    return total / (num_items_in_batch if num_items_in_batch is not None else (labels_B_K != IGNORE).sum())


def make_trainer(
    student: Loaded,
    data: list[Tokens],
    checkpoints: Path,
    recipe: Recipe,
    seed: int,
    micro_rows: int,
    checkpoint_every_s: float,
    tell: Callable[[int, int], None],
) -> Any:
    from transformers import PrinterCallback, Trainer, TrainingArguments

    micro = largest_divisor(recipe.rows_per_step, micro_rows)
    steps = -(-len(data) // recipe.rows_per_step)
    arguments = TrainingArguments(
        output_dir=str(checkpoints),
        num_train_epochs=1,  # the schedule holds every epoch
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=recipe.rows_per_step // micro,
        learning_rate=recipe.lr,
        lr_scheduler_type="cosine",
        warmup_steps=round(recipe.warmup * steps),
        weight_decay=recipe.weight_decay,
        max_grad_norm=recipe.max_grad_norm,
        bf16=recipe.precision == "bf16",
        use_cpu=student.device.type == "cpu",
        seed=seed,
        train_sampling_strategy="sequential",
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    model = with_adapter(student.model, recipe, seed) if recipe.method == "lora" else student.model
    trainer = Trainer(
        model=model.train(),
        args=arguments,
        train_dataset=data,
        data_collator=collate,
        compute_loss_func=completion_loss,
        callbacks=[watcher(checkpoints, checkpoint_every_s, tell)],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def with_adapter(model: Any, recipe: Recipe, seed: int) -> Any:
    import torch
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=recipe.lora_rank, lora_alpha=recipe.lora_alpha, target_modules="all-linear", task_type="CAUSAL_LM"
    )
    with warnings.catch_warnings(), torch.random.fork_rng():
        warnings.simplefilter("ignore", FutureWarning)  # of transformers, about how peft asks it
        torch.manual_seed(seed)
        return get_peft_model(model, config)


def watcher(checkpoints: Path, every_s: float, tell: Callable[[int, int], None]) -> Any:
    """Reports progress, and saves a checkpoint every so often. A file `complete` in it, written last, commits it."""
    from transformers import TrainerCallback

    class Watcher(TrainerCallback):  # type: ignore[misc]
        saved = time.monotonic()

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            tell(state.global_step, state.max_steps)
            if time.monotonic() - self.saved >= every_s and state.global_step < state.max_steps:
                control.should_save = True

        def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            folder = checkpoints / f"checkpoint-{state.global_step}"
            for path in [p for p in folder.rglob("*") if p.is_file()]:
                fsync(path)
            (folder / "complete").touch()
            fsync(folder)
            for older in checkpoints.glob("checkpoint-*"):
                if older != folder:
                    shutil.rmtree(older)
            self.saved = time.monotonic()

    return Watcher()


def last_checkpoint(checkpoints: Path) -> str | None:
    finished = [p for p in checkpoints.glob("checkpoint-*") if (p / "complete").exists()]
    for unfinished in set(checkpoints.glob("checkpoint-*")) - set(finished):
        shutil.rmtree(unfinished)
    return str(max(finished, key=lambda p: int(p.name.split("-")[1]))) if finished else None


def largest_divisor(number: int, at_most: int) -> int:
    return max(d for d in range(1, min(number, at_most) + 1) if number % d == 0)
