"""From the config to the teacher."""

from ..config.config import Config
from ..tasks import TASKS
from ..teachers import TEACHERS
from ..teachers.registered import Teacher, TeacherContext, TeacherRun
from ..types import Task


def make_teacher_context(config: Config, task: Task) -> TeacherContext:
    entry = TASKS.get(task.name.partition("/")[0])
    return TeacherContext(
        task,
        config.prices,
        config.verifier,
        answers_seeds=config.criterion.asks_teacher,
        program_sources=entry.read_program() if entry else (),
    )


def teacher_fingerprint(config: Config, task: Task) -> str:
    """sha256 of all that decides what the teacher is asked: part of the run's identity."""
    context = make_teacher_context(config, task)
    return TEACHERS[config.teacher.name].fingerprint(config.teacher, context)


def make_teacher(config: Config, task: Task, run: TeacherRun) -> Teacher:
    context = make_teacher_context(config, task)
    return TEACHERS[config.teacher.name].make(config.teacher, context, run)
