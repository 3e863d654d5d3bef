"""How a student is finetuned: the recipe and the machine's side of it.

The recipe is part of a run's identity, the machine's side is not.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import Field

from ...types import NonNegativeFloat, PositiveFloat, PositiveInt, Settings

Share = Annotated[float, Field(ge=0, le=1)]
# What `method: qlora` needs of an extra.
QLORA_MODULES = ("bitsandbytes",)
Auto = Literal["auto"]
Method = Literal["full", "lora", "qlora", "last_layers"]
# What a config may leave open: `choose_recipe` fills it in at a run's first start.
AUTO_KEYS = ("method", "lr", "epochs", "rows_per_step")


class RecipeSettings(Settings):
    """What every recipe has, and what stays as it is written."""

    # The share of the steps in which the learning rate rises.
    warmup: Share = 0.1
    weight_decay: NonNegativeFloat = 0.0
    max_grad_norm: PositiveFloat = 1.0
    lora_rank: PositiveInt = 16
    lora_alpha: PositiveInt = 32
    # How many layers the method last_layers trains.
    last_layers: PositiveInt = 4


class Recipe(RecipeSettings):
    """All that decides what finetuning computes, but the rows."""

    method: Method = "full"
    lr: PositiveFloat = 4e-4
    epochs: PositiveInt = 3
    rows_per_step: PositiveInt = 8
    # bf16 means autocast: the trained weights stay in float32.
    precision: Literal["float32", "bf16"] = "float32"


class FinetuneSettings(RecipeSettings):
    """The section `finetune` of a config: a recipe, and from where on which rows."""

    # full: all weights. lora, qlora: low-rank adapters on every linear layer, beside full or
    # 4-bit weights. last_layers: the last layers alone. auto: full or lora, by the student's
    # size and the memory at the run's first start.
    method: Literal["auto", "full", "lora", "qlora", "last_layers"] = "auto"
    # The peak learning rate; the schedule is a cosine. auto: by the method and the size.
    lr: Auto | PositiveFloat = "auto"
    # Times that each row is trained on. auto: by the student's size.
    epochs: Auto | PositiveInt = "auto"
    # Rows of one optimiser step. auto: by the student's size.
    rows_per_step: Auto | PositiveInt = "auto"
    # Whether each round's student is finetuned from the untuned one, or from the last.
    restart: Literal["base", "continue"] = "base"
    # With restart: continue, the share of earlier rows that is trained on again.
    replay: Share = 1.0

    @property
    def open_keys(self) -> tuple[str, ...]:
        """The keys that are still auto."""
        return tuple(key for key in AUTO_KEYS if getattr(self, key) == "auto")

    @property
    def chosen_method(self) -> Method:
        assert self.method != "auto", "choose_recipe comes first"
        return self.method

    @property
    def chosen_epochs(self) -> int:
        assert self.epochs != "auto", "choose_recipe comes first"
        return self.epochs

    def fill(self, values: Mapping[str, Any]) -> Self:
        """The settings with these values for what is auto. Other values stay."""
        changes = {key: values[key] for key in self.open_keys if key in values}
        return self.model_copy(update=changes)

    def make_recipe(self, precision: Literal["float32", "bf16"]) -> Recipe:
        """Nothing may be auto any more."""
        fields = self.model_dump(include={*RecipeSettings.model_fields, *AUTO_KEYS})
        return Recipe(**fields, precision=precision)


@dataclass(frozen=True)
class RuntimeOptions:
    """How the machine does the work. The result is the same, up to rounding."""

    # Tokens that go through the model at once, padding included. A longer row goes alone.
    micro_tokens: int = 2048
    # Rows stand one after the other, without padding, where the model allows it.
    pack: bool = True
    # Compute activations again in the backward pass instead of keeping them.
    gradient_checkpointing: bool = False
    # Keep LoRA's adapter beside the merged weights.
    save_adapter: bool = False
    # Trackers, by the names of transformers' Trainer.
    report_to: tuple[str, ...] = ()
    checkpoint_every_s: float = 300
