"""How a student is finetuned: the recipe and the machine's side of it.

The recipe is part of a run's identity, the machine's side is not.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from ...types import NonNegativeFloat, PositiveFloat, PositiveInt, Settings

Share = Annotated[float, Field(ge=0, le=1)]


class RecipeSettings(Settings):
    # full: all weights. lora, qlora: low-rank adapters on every linear layer, beside full or
    # 4-bit weights. last_layers: the last layers alone.
    method: Literal["full", "lora", "qlora", "last_layers"] = "full"
    # The peak learning rate; the schedule is a cosine.
    lr: PositiveFloat = 4e-4
    epochs: PositiveInt = 3
    # Rows of one optimiser step.
    rows_per_step: PositiveInt = 8
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

    # bf16 means autocast: the trained weights stay in float32.
    precision: Literal["float32", "bf16"] = "float32"


class FinetuneSettings(RecipeSettings):
    """The section `finetune` of a config: a recipe, and from where on which rows."""

    # Whether each round's student is finetuned from the untuned one, or from the last.
    restart: Literal["base", "continue"] = "base"
    # With restart: continue, the share of earlier rows that is trained on again.
    replay: Share = 1.0

    def make_recipe(self, precision: Literal["float32", "bf16"]) -> Recipe:
        fields = self.model_dump(include=set(RecipeSettings.model_fields))
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
