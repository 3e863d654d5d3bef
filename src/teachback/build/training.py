"""From the config to the function that finetunes."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

from ..config.config import Config
from ..run.directory import Run
from ..student.responder import StudentResponder
from ..student.training.finetune import RuntimeOptions, finetune

# train(start, (message, text) rows, seed) → the folder of the trained student
Train = Callable[[Path, list[tuple[str, str]], int], Path]


def make_train(
    config: Config,
    run: Run,
    responder: StudentResponder,
    precision: Literal["float32", "bf16"],
) -> Train:
    recipe = config.finetune.make_recipe(precision)
    settings: dict[str, Any] = {
        "chat": responder.chat,
        "recipe": recipe,
        "options": make_runtime_options(config),
        "child": config.machine.child,
        "on_progress": run.report_progress,
        "on_note": partial(run.note_once, "finetune"),
    }

    def train(start: Path, texts: list[tuple[str, str]], seed: int) -> Path:
        responder.free_memory()
        return finetune(start, texts, run.workspace, seed=seed, **settings)

    return train


def make_runtime_options(config: Config) -> RuntimeOptions:
    """An adapter is kept where a server takes it: one that was trained on the base student."""
    machine, finetune = config.machine, config.finetune
    on_base = finetune.method in ("lora", "qlora") and finetune.restart == "base"
    return RuntimeOptions(
        micro_tokens=machine.micro_tokens,
        gradient_checkpointing=machine.gradient_checkpointing,
        save_adapter=on_base and config.student.is_served,
        report_to=tuple(machine.report_to),
        checkpoint_every_s=machine.checkpoint_every_s,
    )
