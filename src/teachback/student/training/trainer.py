"""transformers' Trainer with a step of our own: a batch is a whole optimiser step, cut into
micro-batches here.

So a step's micro-batches may differ in number and size, its loss is the mean over its completion
tokens whatever they are, weights are cast to bf16 once a step, and a step that ran out of memory
is done again in smaller parts.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ...errors import StudentError
from ..loading import empty_gpu_cache
from .batch import TokenRow, split_micro_batches
from .checkpoints import make_checkpoint_callback
from .layout import BatchLayout, autocast, batch_loss
from .recipe import Recipe, RuntimeOptions


class TokenBudget:
    """Tokens of a micro-batch. It is halved once, when memory runs out."""

    def __init__(self, tokens: int, say: Callable[[str], None]) -> None:
        self.tokens, self.say, self.halved = tokens, say, False

    def halve(self) -> None:
        """Raises StudentError the second time."""
        if self.halved:
            raise StudentError(
                "finetuning ran out of memory again after its micro-batches were halved",
                got=f"micro-batches of {self.tokens} tokens",
                fix="lower machine.micro_tokens, set machine.gradient_checkpointing: true, or "
                "finetune.method: lora",
            )
        self.tokens, self.halved = self.tokens // 2, True
        self.say(f"out of memory: micro-batches of {self.tokens} tokens from here on")


def make_trainer(
    model: Any,
    data: Sequence[TokenRow],
    checkpoints: Path,
    recipe: Recipe,
    means: RuntimeOptions,
    way: BatchLayout,
    seed: int,
    tell: Callable[[int, int], None],
    say: Callable[[str], None],
) -> Any:
    from transformers import PrinterCallback, Trainer

    budget = TokenBudget(means.micro_tokens, say)

    class StepTrainer(Trainer):  # type: ignore[misc]
        """Trainer has no other place where a step could be cut up."""

        def training_step(
            self, model: Any, inputs: Any, num_items_in_batch: Any = None
        ) -> Any:
            model.train()
            while True:
                try:
                    return train_step(
                        self,
                        model,
                        inputs["rows"],
                        budget.tokens,
                        way,
                        recipe.precision,
                    )
                except RuntimeError as error:
                    if not is_out_of_memory(error):
                        raise
                # Outside of the handler: its traceback holds on to the activations.
                model.zero_grad()
                budget.halve()
                empty_gpu_cache()

    trainer = StepTrainer(
        model=model.train(),
        args=training_arguments(model, len(data), checkpoints, recipe, means, seed),
        train_dataset=data,
        data_collator=lambda rows: {"rows": rows},
        callbacks=[
            make_checkpoint_callback(checkpoints, means.checkpoint_every_s, tell)
        ],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def train_step(
    trainer: Any,
    model: Any,
    rows: Sequence[TokenRow],
    micro_tokens: int,
    way: BatchLayout,
    precision: str,
) -> Any:
    """The gradient of the mean nll over the step's completion tokens. Returns that mean."""
    import torch

    device = trainer.args.device
    count = sum(len(row["answer"]) for row in rows)
    total = torch.zeros((), device=device)
    with autocast(
        device, precision
    ):  # its copies of the weights last as long as it does: they are made once a step
        for part in split_micro_batches(rows, micro_tokens, way.packed):
            loss = batch_loss(model, part, way, device) / count
            with torch.autocast(device.type, enabled=False):
                trainer.accelerator.backward(loss)
            total += loss.detach()
    return total


def is_out_of_memory(error: RuntimeError) -> bool:
    import torch

    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(
        error
    )


def training_arguments(
    model: Any,
    n_rows: int,
    checkpoints: Path,
    recipe: Recipe,
    means: RuntimeOptions,
    seed: int,
) -> Any:
    from transformers import TrainingArguments

    steps = -(-n_rows // recipe.rows_per_step)
    found = TrainingArguments(
        output_dir=str(checkpoints),
        num_train_epochs=1,  # the schedule holds every epoch
        per_device_train_batch_size=recipe.rows_per_step,
        learning_rate=recipe.lr,
        lr_scheduler_type="cosine",
        warmup_steps=round(recipe.warmup * steps),
        weight_decay=recipe.weight_decay,
        max_grad_norm=recipe.max_grad_norm,
        use_cpu=next(model.parameters()).device.type == "cpu",
        seed=seed,
        train_sampling_strategy="sequential",
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        save_strategy="no",
        logging_strategy="steps" if means.report_to else "no",
        logging_steps=1,
        use_cache=bool(
            getattr(model.config, "use_cache", True)
        ),  # Trainer writes it into the model's config
        report_to=list(means.report_to) or "none",
        disable_tqdm=True,
    )
    if found.world_size > 1:
        raise StudentError(
            "finetuning runs on one device",
            got=f"{found.world_size} processes",
            fix="start it without a launcher",
        )
    found._n_gpu = min(
        found.n_gpu, 1
    )  # with more, Trainer would spread a batch over them by DataParallel
    return found
