"""Refuses a finetuning whose loss or weights are no finite numbers.

Such a student would be saved, and answer nothing: each of its logits is NaN.
"""

from math import isfinite
from typing import Any

from ...errors import StudentError
from ..decoder_check import trial_rows
from .recipe import Recipe

# On a GPU, reading the loss waits for the step: it is read this often.
STEPS_BETWEEN_READINGS = 10


class LossCheck:
    """Reads the losses of a finetuning's steps."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe

    def check(self, loss: Any, step: int) -> None:
        """step: how many have been done before. Raises StudentError."""
        if loss.device.type != "cpu" and step % STEPS_BETWEEN_READINGS:
            return
        value = loss.item()
        if isfinite(value):
            return
        if step == 0:
            raise StudentError(
                "the student's loss is no number before it is trained",
                got=f"loss {value}",
                allowed="a student with finite weights",
                fix="fetch the model again, or start from an earlier student",
            )
        raise divergence_error(self._recipe, f"loss {value} at step {step + 1}")


def divergence_error(recipe: Recipe, what: str) -> StudentError:
    return StudentError(
        "finetuning diverged: the student is not saved",
        got=f"{what}, with finetune.lr {recipe.lr:g}",
        allowed="a finite loss and finite weights",
        fix="lower finetune.lr, or raise finetune.warmup, and start a new run",
    )


def check_trained_model(model: Any, recipe: Recipe) -> None:
    """Raises StudentError where a trained model would be no student when it is loaded."""
    import torch

    check_finite_weights(model, recipe)
    ids_1_T = torch.tensor(
        trial_rows(model)[:1], device=next(model.parameters()).device
    )
    # In the mode that it is in: some models change their weights for evaluation.
    with torch.no_grad():
        logits = model(input_ids=ids_1_T, use_cache=False).logits
    if not logits.isfinite().all():
        raise divergence_error(recipe, "logits that are NaN or infinite")


def check_finite_weights(model: Any, recipe: Recipe) -> None:
    """Raises StudentError, with a weight's name, for NaN or infinity in the weights."""
    for name, weight in model.named_parameters():
        if weight.numel() == 0 or not weight.is_floating_point():
            continue
        lowest, highest = weight.detach().aminmax()
        if not (isfinite(lowest.item()) and isfinite(highest.item())):
            raise divergence_error(recipe, f"NaN or infinity in {name}")
