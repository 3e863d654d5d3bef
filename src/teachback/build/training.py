"""From the config to the function that finetunes."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

from ..config.config import Config
from ..rng import draw
from ..run.directory import Run
from ..student.responder import StudentResponder
from ..student.training.dataset import format_rows, select_training_rows
from ..student.training.finetune import RuntimeOptions, finetune
from ..types import Row, Student, Task

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


def make_finetune(
    config: Config, task: Task, run: Run, train: Train
) -> Callable[[Student, Student, Sequence[Row], Sequence[Row]], Student]:
    """finetune(base, student, rows, fresh): the next student. See `loop.Parts`."""
    draw_for_run = partial(draw, config.seed, config.repeat)
    restart, replay = config.finetune.restart, config.finetune.replay

    def finetune_next(
        base: Student, student: Student, rows: Sequence[Row], fresh: Sequence[Row]
    ) -> Student:
        start = base if restart == "base" else student
        data = select_training_rows(
            rows, fresh, restart=restart, replay=replay, draw=draw_for_run
        )
        if not data:
            return start
        texts = format_rows(data, task.prompt)
        seed = draw_for_run("finetune", "", len(rows)).getrandbits(31)
        return run.student_in(train(run.path(start), texts, seed))

    return finetune_next


def make_runtime_options(config: Config) -> RuntimeOptions:
    """An adapter of the base student is kept beside the merged one, for servers and for export."""
    machine, finetune = config.machine, config.finetune
    on_base = finetune.method in ("lora", "qlora") and finetune.restart == "base"
    return RuntimeOptions(
        micro_tokens=machine.micro_tokens,
        gradient_checkpointing=machine.gradient_checkpointing,
        save_adapter=on_base,
        report_to=tuple(machine.report_to),
        checkpoint_every_s=machine.checkpoint_every_s,
    )
