"""The sections `student` and `machine` of a config."""

import re
from datetime import date
from typing import Literal

from pydantic import model_validator

from ..types import (
    FolderOrName,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    Scalar,
    Settings,
)


class StudentSettings(Settings):
    """The model, and where it answers: in this process, or behind a server."""

    # A folder, a name on the Hub, or smollm2-135m, which is packaged.
    model: FolderOrName = "smollm2-135m"
    revision: str | None = None
    # The system message.
    system: str | None = None
    # What the chat template gets beside the messages.
    chat_template_kwargs: dict[str, Scalar] = {}
    # The day that a chat template gets which asks for the date. None: that of the first start.
    today: date | None = None
    max_new_tokens: PositiveInt = 256
    # auto: bf16 where the machine gains by it. Logits are float32 either way.
    precision: Literal["auto", "float32", "bf16"] = "auto"
    # A command that serves {path} on {port}. teachback starts and stops it.
    serve: str | None = None
    # A server that runs already: its address up to and without /completions.
    base_url: str | None = None
    # The untuned student's name there, where the server has several models.
    served_model: str | None = None
    # The environment variable that holds the server's key.
    key_env: str | None = None
    # Requests to the server at a time.
    in_flight: PositiveInt = 32
    tries: PositiveInt = 5
    # For one answer, its wait in the server's queue included.
    deadline_s: PositiveFloat = 600.0
    # For a command to load the student.
    ready_s: PositiveFloat = 900.0

    @property
    def is_served(self) -> bool:
        return self.serve is not None or self.base_url is not None

    @model_validator(mode="after")
    def _check_server(self) -> "StudentSettings":
        if self.serve is not None and self.base_url is not None:
            raise ValueError(
                "serve starts a server, base_url names one that runs: leave out one of them"
            )
        if self.serve is not None:
            placeholders = set(re.findall(r"\{(\w+)\}", self.serve))
            if not {"path", "port"} <= placeholders:
                raise ValueError(
                    "serve needs {path} and {port}, as in vllm serve {path} --port {port}"
                )
        return self


class MachineSettings(Settings):
    """What may differ from start to start, because it doesn't change what is computed."""

    checkpoint_every_s: NonNegativeFloat = 300.0
    # Tokens of finetuning's rows that go through the model at once.
    micro_tokens: PositiveInt = 2048
    # Activations are computed again in the backward pass: less memory, more time.
    gradient_checkpointing: bool = False
    # Finetuning runs in a process of its own, whose memory is free when it ends.
    child: bool = False
    # Trackers, as transformers' Trainer names them.
    report_to: list[str] = []
    threads: PositiveInt | None = None
