"""The sections of a config: what can be set, with what it is by default. config.py puts them
together.
"""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from ..endpoints.settings import EndpointSettings
from ..types import FolderOrName, Scalar, Settings

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]


def fields(text: str) -> list[str]:
    """Names in braces."""
    return re.findall(r"\{(\w+)\}", text)


Section = Settings


class StudentConfig(Section):
    model: FolderOrName = (
        "smollm2-135m"  # a folder, a name on the Hub, or the packaged model
    )
    revision: str | None = None
    system: str | None = None
    chat_template_kwargs: dict[str, Scalar] = {}
    max_new_tokens: Count = 256
    precision: Literal["auto", "float32", "bf16"] = (
        "auto"  # bf16 where the machine gains by it; logits are float32
    )
    serve: str | None = (
        None  # a command that serves {path} on {port}, started and stopped by teachback
    )
    base_url: str | None = (
        None  # or a server that runs already: up to and without /completions
    )
    served_model: str | None = (
        None  # the untuned student's name there, where it has several
    )
    key_env: str | None = None
    in_flight: Count = 32  # requests at a time
    tries: Count = 5
    deadline_s: Positive = (
        600.0  # for one answer, its wait in the server's queue included
    )
    ready_s: Positive = 900.0  # for a command to load the student

    @property
    def served(self) -> bool:
        return self.serve is not None or self.base_url is not None

    @model_validator(mode="after")
    def _one_server(self) -> "StudentConfig":
        if self.serve is not None and self.base_url is not None:
            raise ValueError(
                "serve starts a server, base_url names one that runs: leave out one of them"
            )
        if self.serve is not None and not {"{path}", "{port}"} <= {
            f"{{{n}}}" for n in fields(self.serve)
        }:
            raise ValueError(
                "serve needs {path} and {port}, as in vllm serve {path} --port {port}"
            )
        return self


class GradingJudgeSettings(EndpointSettings):
    """The model that compares answers where task.grader is judge.

    Paid from the same budget, dev first.
    """

    max_tokens: Count = 256
    prompt: Path | None = None  # a text with {question}, {gold} and {answer}


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


class MachineConfig(Section):
    """What may differ from start to start, because it doesn't change what is computed."""

    checkpoint_every_s: Annotated[float, Field(ge=0)] = 300.0
    micro_tokens: Count = 2048  # of finetuning's rows that go through the model at once
    # Activations are computed again in the backward pass: less memory, more time.
    gradient_checkpointing: bool = False
    child: bool = (
        False  # finetuning in a process of its own, whose memory is free when it ends
    )
    report_to: list[str] = []  # trackers, as transformers' Trainer names them
    threads: Count | None = None
