"""What `auto` means in the section `finetune`: a recipe by the student's size and the memory.

The table and its sources stand in docs/students.md.
"""

from dataclasses import dataclass
from math import inf
from typing import Literal, NamedTuple

from ..machine_memory import MachineMemory
from ..model_size import describe_parameters, finetuning_memory
from .fit import PEAK_MEMORY_FACTOR
from .memory import GIB
from .recipe import FinetuneSettings, Method

# From this multiple of the table's learning rate on, a student is likely to be wrecked.
WRECKING_FACTOR = 5


@dataclass(frozen=True)
class SizeClass:
    """A line of the table."""

    below: float  # parameters
    method: Literal["full", "lora"]  # where full finetuning fits
    full_lr: float
    lora_lr: float
    epochs: int
    rows_per_step: int

    def lr_of(self, method: Method) -> float:
        return self.lora_lr if method in ("lora", "qlora") else self.full_lr


# Students of so few parameters are trained from scratch: no rate is known to wreck one.
MAX_SCRATCH_PARAMETERS = 20e6
# "1B" in a model's name begins here.
LORA_FROM = 0.95e9
SIZE_CLASSES = (
    SizeClass(MAX_SCRATCH_PARAMETERS, "full", 5e-4, 2e-3, epochs=4, rows_per_step=8),
    SizeClass(200e6, "full", 1.5e-4, 5e-4, epochs=3, rows_per_step=2),
    SizeClass(LORA_FROM, "full", 5e-5, 2e-4, epochs=3, rows_per_step=4),
    SizeClass(15e9, "lora", 2e-5, 2e-4, epochs=3, rows_per_step=8),
    SizeClass(inf, "lora", 1e-5, 1e-4, epochs=3, rows_per_step=8),
)


class RecipeChoice(NamedTuple):
    settings: FinetuneSettings  # nothing in them is auto
    reason: str  # what `auto` became, and why; empty: nothing was auto


def find_size_class(parameters: float) -> SizeClass:
    return next(size for size in SIZE_CLASSES if parameters < size.below)


def choose_recipe(
    settings: FinetuneSettings,
    parameters: int | None,
    memory: MachineMemory,
    precision: Literal["float32", "bf16"],
) -> RecipeChoice:
    """Fills in what is auto. A student of unknown size counts as one of 1B parameters."""
    open_keys = settings.open_keys
    if not open_keys:
        return RecipeChoice(settings, "")
    size = find_size_class(LORA_FROM if parameters is None else parameters)
    reasons = ["a student of unknown size"]
    if parameters is not None:
        reasons = [describe_parameters(parameters)]
    method: Method
    if settings.method == "auto":
        method, reason = choose_method(size, parameters, memory, precision)
        reasons.append(reason)
    else:
        method = settings.method
    chosen = settings.fill(
        {
            "method": method,
            "lr": size.lr_of(method),
            "epochs": size.epochs,
            "rows_per_step": size.rows_per_step,
        }
    )
    what = describe_recipe(chosen)
    return RecipeChoice(
        chosen, f"{what} (auto: {', '.join(open_keys)}; {', '.join(reasons)})"
    )


def choose_method(
    size: SizeClass,
    parameters: int | None,
    memory: MachineMemory,
    precision: Literal["float32", "bf16"],
) -> tuple[Literal["full", "lora"], str]:
    """The method and the reason. Full finetuning needs room for activations too."""
    if size.method == "lora" or parameters is None:
        return "lora", "LoRA from 1B on"
    full_bytes = finetuning_memory(parameters, "full", precision)
    assert full_bytes is not None, "the size is known"
    takes = f"full finetuning takes about {PEAK_MEMORY_FACTOR * full_bytes / GIB:.1f}"
    if memory.free is None:
        return "full", f"{takes} GiB"
    free = f"{memory.free / GIB:.1f} GiB are free {memory.place}"
    if PEAK_MEMORY_FACTOR * full_bytes > memory.free:
        return "lora", f"{takes} GiB and {free}"
    return "full", f"{takes} GiB, {free}"


def describe_recipe(settings: FinetuneSettings) -> str:
    """method, lr, epochs and rows_per_step, in words."""
    return (
        f"{settings.method}, lr {format_lr(settings.lr)}, {settings.epochs} "
        f"{'epoch' if settings.epochs == 1 else 'epochs'}, steps of {settings.rows_per_step} "
        f"{'row' if settings.rows_per_step == 1 else 'rows'}"
    )


def format_lr(lr: object) -> str:
    """As YAML reads it as a number: 2.0e-4."""
    if not isinstance(lr, float):
        return str(lr)
    digits, _, exponent = f"{lr:.2e}".partition("e")
    digits = digits.rstrip("0")
    return (
        f"{digits}0e{int(exponent)}"
        if digits.endswith(".")
        else f"{digits}e{int(exponent)}"
    )


def find_recipe_warning(settings: FinetuneSettings, parameters: int | None) -> str:
    """What is known to wreck a student of this size, with the number to use; else empty.

    settings: without auto.
    """
    if parameters is None or parameters < MAX_SCRATCH_PARAMETERS:
        return ""
    method = settings.chosen_method
    assert settings.lr != "auto", "choose_recipe comes first"
    usual_lr = find_size_class(parameters).lr_of(method)
    if settings.lr <= WRECKING_FACTOR * usual_lr:
        return ""
    return (
        f"finetune.lr {format_lr(settings.lr)} is {settings.lr / usual_lr:.0f} times what "
        f"suits finetune.method: {method} at {describe_parameters(parameters)}. The student is "
        "likely to forget what it knew, or to diverge: "
        f"set finetune.lr: {format_lr(usual_lr)}, or auto"
    )
