"""How a student is finetuned: the recipe, which is part of a run's identity, and the machine's
side, which is not.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Recipe:
    """lr: peak learning rate. warmup: share of the steps. rows_per_step: rows an optimiser step.

    method: all weights; low-rank adapters on every linear layer, beside full or 4-bit weights; or
    the last `last_layers` layers alone.
    """

    method: Literal["full", "lora", "qlora", "last_layers"] = "full"
    lr: float = 4e-4
    epochs: int = 3
    rows_per_step: int = 8
    warmup: float = 0.1
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    lora_rank: int = 16
    lora_alpha: int = 32
    last_layers: int = 4
    precision: Literal["float32", "bf16"] = "float32"


@dataclass(frozen=True)
class RuntimeOptions:
    """What the work is done with. Nothing of it changes what is computed, rounding aside.

    micro_tokens: at most so many tokens go through the model at once, padding included; a longer
    row goes alone. pack: rows go one behind the other, without padding, wherever the model allows
    it. checkpointing: activations are computed again in the backward pass instead of kept.
    save_adapter: LoRA's adapter is kept beside the merged weights. report_to: trackers, as
    transformers' Trainer names them.
    """

    micro_tokens: int = 2048
    pack: bool = True
    checkpointing: bool = False
    save_adapter: bool = False
    report_to: tuple[str, ...] = ()
    checkpoint_every_s: float = 300
