"""From the config to the function that finetunes."""

from functools import partial
from pathlib import Path
from typing import Any

from ..config.config import Config
from ..run.directory import Run
from ..student.training.finetune import Recipe, RuntimeOptions, finetune
from .prepare import PreparedRun
from .steps import Train


def make_train(config: Config, run: Run, prepared: PreparedRun) -> Train:
    recipe = Recipe(
        **config.finetune.model_dump(exclude={"restart", "replay"}),
        precision=prepared.precision,
    )
    responder = prepared.responder
    settings: dict[str, Any] = {
        "chat": responder.chat,
        "recipe": recipe,
        "means": make_runtime_options(config),
        "child": config.machine.child,
        "tell": run.report_progress,
        "say": partial(run.note_once, "finetune"),
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
        checkpointing=machine.gradient_checkpointing,
        save_adapter=on_base and config.student.served,
        report_to=tuple(machine.report_to),
        checkpoint_every_s=machine.checkpoint_every_s,
    )
