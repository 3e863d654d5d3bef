"""transformers' Trainer with a step of our own.

Trainer gets a whole optimiser step as one batch, which is cut into micro-batches here. So
- a step's micro-batches may differ in number and size;
- its loss is the mean over its completion tokens, however it was cut;
- weights are cast to bf16 once a step;
- a step that ran out of memory is done again in smaller parts.
"""

from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

from ...errors import StudentError
from ..loading import empty_gpu_cache
from .batch import TokenRow, split_micro_batches
from .checkpoints import make_checkpoint_callback
from .divergence import LossCheck
from .layout import BatchLayout, autocast, compute_batch_loss
from .recipe import Recipe, RuntimeOptions


class TokenBudget:
    """Tokens of a micro-batch. It is halved once, when memory runs out."""

    def __init__(self, tokens: int, on_note: Callable[[str], None]) -> None:
        self.tokens = tokens
        self._on_note = on_note
        self._is_halved = False

    def halve(self) -> None:
        """Raises StudentError the second time."""
        if self._is_halved:
            raise StudentError(
                "finetuning ran out of memory again after its micro-batches were halved",
                got=f"micro-batches of {self.tokens} tokens",
                fix="lower machine.micro_tokens, set machine.gradient_checkpointing: true, or "
                "finetune.method: lora",
            )
        self.tokens //= 2
        self._is_halved = True
        self._on_note(
            f"out of memory: micro-batches of {self.tokens} tokens from here on"
        )


def make_trainer(
    model: Any,
    schedule: Sequence[TokenRow],
    checkpoints: Path,
    recipe: Recipe,
    options: RuntimeOptions,
    layout: BatchLayout,
    seed: int,
    on_progress: Callable[[int, int], None],
    on_note: Callable[[str], None],
) -> Any:
    # transformers prints here where WANDB_MODE is offline, and stdout is for results.
    with redirect_stdout(StringIO()):
        from transformers import PrinterCallback, Trainer

    # One token: each row is a micro-batch.
    micro_tokens = 1 if layout.is_single else options.micro_tokens
    budget = TokenBudget(micro_tokens, on_note)
    losses = LossCheck(recipe)

    class StepTrainer(Trainer):  # type: ignore[misc]
        """Trainer has no other place where a step could be cut up."""

        def training_step(
            self, model: Any, inputs: Any, num_items_in_batch: Any = None
        ) -> Any:
            model.train()
            rows = inputs["rows"]
            while True:
                try:
                    loss = train_step(
                        self, model, rows, budget.tokens, layout, recipe.precision
                    )
                except RuntimeError as error:
                    if not is_out_of_memory(error):
                        raise
                else:
                    losses.check(loss, self.state.global_step)
                    return loss
                # Outside of the handler: its traceback holds on to the activations.
                model.zero_grad()
                budget.halve()
                empty_gpu_cache()

    trainer = StepTrainer(
        model=model.train(),
        args=make_training_arguments(
            model, len(schedule), checkpoints, recipe, options, seed
        ),
        train_dataset=schedule,
        data_collator=lambda rows: {"rows": rows},
        callbacks=[
            make_checkpoint_callback(
                checkpoints, options.checkpoint_every_s, on_progress
            )
        ],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def train_step(
    trainer: Any,
    model: Any,
    rows: Sequence[TokenRow],
    micro_tokens: int,
    layout: BatchLayout,
    precision: str,
) -> Any:
    """Add the gradient of the mean nll over the step's completion tokens.

    Returns that mean.
    """
    import torch

    device = trainer.args.device
    n_tokens = sum(len(row["answer"]) for row in rows)
    total = torch.zeros((), device=device)
    # Autocast keeps its copies of the weights as long as it lasts: they are made once.
    with autocast(device, precision):
        for micro_batch in split_micro_batches(rows, micro_tokens, layout.is_packed):
            loss = compute_batch_loss(model, micro_batch, layout, device) / n_tokens
            with torch.autocast(device.type, enabled=False):
                trainer.accelerator.backward(loss)
            total += loss.detach()
    return total


def is_out_of_memory(error: RuntimeError) -> bool:
    """On a GPU, and on a CPU, where torch has no class for it."""
    import torch

    if isinstance(error, torch.OutOfMemoryError):
        return True
    return "can't allocate memory" in str(error)


def make_training_arguments(
    model: Any,
    n_rows: int,
    checkpoints: Path,
    recipe: Recipe,
    options: RuntimeOptions,
    seed: int,
) -> Any:
    from transformers import TrainingArguments

    n_steps = -(-n_rows // recipe.rows_per_step)
    arguments = TrainingArguments(
        output_dir=str(checkpoints),
        num_train_epochs=1,  # the schedule holds every epoch
        per_device_train_batch_size=recipe.rows_per_step,
        learning_rate=recipe.lr,
        lr_scheduler_type="cosine",
        warmup_steps=round(recipe.warmup * n_steps),
        weight_decay=recipe.weight_decay,
        max_grad_norm=recipe.max_grad_norm,
        use_cpu=next(model.parameters()).device.type == "cpu",
        seed=seed,
        train_sampling_strategy="sequential",
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        save_strategy="no",  # the callback decides
        logging_strategy="steps" if options.report_to else "no",
        logging_steps=1,
        # Trainer writes it into the model's config, which must stay as it was.
        use_cache=bool(getattr(model.config, "use_cache", True)),
        report_to=list(options.report_to) or "none",
        disable_tqdm=True,
    )
    if arguments.world_size > 1:
        raise StudentError(
            "finetuning runs on one device",
            got=f"{arguments.world_size} processes",
            fix="start it without a launcher",
        )
    # With more GPUs Trainer would spread a batch over them by DataParallel.
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments
