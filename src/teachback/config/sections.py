"""The section `finetune` of a config."""

from typing import Annotated, Literal

from pydantic import Field

from ..types import PositiveInt as Count
from ..types import Settings as Section

Share = Annotated[float, Field(ge=0, le=1)]


class FinetuneConfig(Section):
    method: Literal["full", "lora", "qlora", "last_layers"] = "full"
    lr: Annotated[float, Field(gt=0)] = 4e-4
    epochs: Count = 3
    rows_per_step: Count = 8
    warmup: Share = 0.1
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0
    lora_rank: Count = 16
    lora_alpha: Count = 32
    last_layers: Count = 4  # with method: last_layers, how many
    restart: Literal["base", "continue"] = "base"
    replay: Share = (
        1.0  # with restart: continue, the share of earlier rows trained on again
    )


