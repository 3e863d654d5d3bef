"""How a student is finetuned: the recipe and the machine's side of it.

The recipe is part of a run's identity, the machine's side is not.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Recipe:
    # All weights; low-rank adapters on every linear layer, beside full or 4-bit weights;
    # or the last layers alone.
    method: Literal["full", "lora", "qlora", "last_layers"] = "full"
    # The peak learning rate; the schedule is a cosine.
    lr: float = 4e-4
    epochs: int = 3
    # Rows of one optimiser step.
    rows_per_step: int = 8
    # The share of the steps in which the learning rate rises.
    warmup: float = 0.1
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    lora_rank: int = 16
    lora_alpha: int = 32
    # How many layers the method last_layers trains.
    last_layers: int = 4
    # bf16 means autocast: the trained weights stay in float32.
    precision: Literal["float32", "bf16"] = "float32"


@dataclass(frozen=True)
class RuntimeOptions:
    """How the machine does the work. The result is the same, up to rounding."""

    # Tokens that go through the model at once, padding included. A longer row goes alone.
    micro_tokens: int = 2048
    # Rows stand one after the other, without padding, where the model allows it.
    pack: bool = True
    # Compute activations again in the backward pass instead of keeping them.
    checkpointing: bool = False
    # Keep LoRA's adapter beside the merged weights.
    save_adapter: bool = False
    # Trackers, by the names of transformers' Trainer.
    report_to: tuple[str, ...] = ()
    checkpoint_every_s: float = 300
