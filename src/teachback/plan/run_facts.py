"""What a plan repeats as it is: names, folders, sizes, and what the plan leaves out."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..build.finetune_choice import FinetunePreview
from ..build.judges import make_grading_judge
from ..config.config import Config
from ..criteria.lion import LionSettings
from ..run.history import read_history
from ..student.model_size import ModelSize
from ..teachers.judge_grades import worst_grading_cost
from ..teachers.pool_teacher import PoolTeacherSettings
from ..types import Task
from .caveats import list_caveats
from .config_queries import shows_attempt

if TYPE_CHECKING:
    from .probe import ProbeMeasurements


@dataclass(frozen=True)
class RunFacts:
    run_dir: str
    teacher: str
    endpoints: Mapping[str, str]  # by role
    model: str  # the student's
    size: ModelSize
    method: str  # of finetuning
    keep: str  # which students are kept, as in the config
    free_bytes: float  # on the disk where the run will lie
    caveats: tuple[str, ...] = ()
    finetuning: str = ""  # the recipe, and why
    warnings: tuple[str, ...] = ()  # of finetuning


def make_run_facts(
    config: Config,
    task: Task,
    probe: "ProbeMeasurements | None",
    size: ModelSize,
    finetuning: FinetunePreview,
) -> RunFacts:
    """size: the student's. finetuning: what the config's section `finetune` comes to."""
    student = config.student
    endpoints = config.endpoints_by_role()
    judge = make_grading_judge(config)
    caveats = list_caveats(
        has_paid_calls=bool(endpoints),
        has_probe=probe is not None,
        has_finetuning_speed=probe is not None and probe.finetuning is not None,
        shows_attempt=shows_attempt(config),
        has_pool=isinstance(config.teacher, PoolTeacherSettings),
        has_open_round=read_history(config.run_dir).next_step != "open",
        dev_judging=worst_grading_cost(judge, task.dev) if judge else None,
        buys_teacher_answers=isinstance(config.criterion, LionSettings),
    )
    # The run's own folder need not exist yet
    folders = (config.run_dir, *config.run_dir.parents)
    existing_folder = next(folder for folder in folders if folder.exists())
    return RunFacts(
        run_dir=str(config.run_dir),
        teacher=config.teacher.name,
        endpoints={
            role: f"{endpoint.model} at {endpoint.base_url}"
            for role, endpoint in endpoints.items()
        },
        model=student.model,
        size=size,
        method=finetuning.settings.chosen_method,
        keep=config.keep,
        free_bytes=shutil.disk_usage(existing_folder).free,
        caveats=tuple(caveats),
        finetuning=finetuning.text,
        warnings=list_finetune_warnings(finetuning),
    )


def list_finetune_warnings(finetuning: FinetunePreview) -> tuple[str, ...]:
    misfit = str(finetuning.misfit or "").replace("\n ", ";")
    return tuple(warning for warning in (finetuning.warning, misfit) if warning)
