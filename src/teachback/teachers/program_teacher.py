"""`program`: the task's own program writes new exercises and solves them. Free, exact, offline."""

from hashlib import sha256
from typing import Literal

from ..errors import ConfigError
from ..types import Settings
from .program import ProgramTeacher, write_drafts
from .registered import Teacher, TeacherContext, TeacherRun


class ProgramTeacherSettings(Settings):
    """Metered as if bought: prompts and rows count as tokens."""

    name: Literal["program"] = "program"


def make_program_teacher(
    settings: ProgramTeacherSettings, context: TeacherContext, run: TeacherRun
) -> Teacher:
    """Raises ConfigError for a task without a program."""
    task = context.task
    if task.write is None:
        raise ConfigError(
            f"the task {task.name} can't set exercises of its own",
            got="teacher.name: program",
            fix="use teacher.name: openai",
        )
    seeds = {seed.id: seed for seed in task.seeds}
    teacher = ProgramTeacher(task, run.draw, run.count_tokens)
    return Teacher(
        prices=lambda pairs: [teacher.price(seed, n) for seed, n in pairs],
        generate=lambda round, picks, attempts: write_drafts(
            picks,
            seeds,
            round=round,
            ledger=run.ledger,
            teacher=teacher,
            fingerprint=run.fingerprint,
        ),
    )


def hash_program(settings: ProgramTeacherSettings, context: TeacherContext) -> str:
    """sha256 of the task's name and of the program's source."""
    parts = [context.task.name.encode(), *context.program_sources]
    return sha256(b"".join(parts)).hexdigest()
