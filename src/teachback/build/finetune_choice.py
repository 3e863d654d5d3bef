"""What `auto` becomes in the section `finetune`, and what is said of it before a run spends."""

from pathlib import Path
from typing import Literal, NamedTuple

from ..config.config import Config
from ..errors import StudentError
from ..run.directory import Run
from ..run.history import read_history
from ..run.identity import read_kept_section, read_precision
from ..student.machine_memory import find_free_memory
from ..student.model_size import ModelSize, find_model_size
from ..student.training.auto_recipe import (
    choose_recipe,
    describe_recipe,
    find_recipe_warning,
)
from ..student.training.fit import check_fit, find_misfit
from ..student.training.recipe import FinetuneSettings


class FinetunePreview(NamedTuple):
    """What finetuning would do if the run began now, on this machine."""

    settings: FinetuneSettings  # without auto
    text: str
    # The config is likely to wreck the student; empty: it isn't known to.
    warning: str
    # Why it would not fit the memory, and what would; None: it may.
    misfit: StudentError | None


def preview_finetune(config: Config, size: ModelSize) -> FinetunePreview:
    """Nothing is loaded or kept. A run that has begun keeps its choice."""
    student = config.student
    precision = read_precision(config.run_dir) or student.precision
    known: Literal["float32", "bf16"] = "bf16" if precision == "bf16" else "float32"
    settings = config.finetune.fill(read_kept_section(config.run_dir, "finetune"))
    memory = find_free_memory()
    settings, reason = choose_recipe(settings, size.parameters, memory, known)
    return FinetunePreview(
        settings,
        reason or describe_recipe(settings),
        find_recipe_warning(settings, size.parameters),
        find_misfit(settings.chosen_method, size.parameters, memory, known),
    )


def settle_finetune(
    config: Config,
    folder: Path,
    run_folder: Path,
    precision: Literal["float32", "bf16"],
) -> tuple[Config, str]:
    """The config without `auto` in its section `finetune`, and what was chosen now, and why.

    folder: the student's. What the run's first start has chosen holds.
    """
    settings = config.finetune.fill(read_kept_section(run_folder, "finetune"))
    reason = ""
    if settings.open_keys:
        parameters = find_model_size(str(folder)).parameters
        settings, reason = choose_recipe(
            settings, parameters, find_free_memory(), precision
        )
    return config.model_copy(update={"finetune": settings}), reason


def check_training(
    config: Config, run: Run, folder: Path, precision: Literal["float32", "bf16"]
) -> None:
    """Before anything is bought: warns of what is known to wreck the student.

    folder: the student's. Raises StudentError where finetuning can't fit the memory. A run that
    has nothing left to train is let through.
    """
    finished = read_history(run.folder).rounds
    if len(finished) >= (config.rounds or 1):
        return
    parameters = find_model_size(str(folder)).parameters
    warning = find_recipe_warning(config.finetune, parameters)
    if warning:
        run.note("finetune", f"WARNING: {warning}")
    method = config.finetune.chosen_method
    check_fit(method, parameters, find_free_memory(), precision)
