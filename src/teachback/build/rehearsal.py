"""From the config to what the rehearsal server is made of."""

from functools import partial
from typing import TYPE_CHECKING

from ..config.config import Config
from ..rng import draw
from ..tasks import game24, prontoqa, stories
from ..teachers.openai_teacher import OpenAITeacherSettings
from ..types import Task

if TYPE_CHECKING:
    from ..serve.program import DrawFunction, SolveFunction


def make_rehearsal(
    config: Config, task: Task, prompts: str | None
) -> "tuple[DrawFunction, dict[str, str], SolveFunction | None]":
    """The task's draws, the prompts to recognise, and a solver of its questions."""
    from ..teachers.prompts import read_all_templates

    teacher = config.teacher
    default = teacher.prompts if isinstance(teacher, OpenAITeacherSettings) else "logic"
    solvers: dict[str, SolveFunction] = {
        "prontoqa": prontoqa.solve_prontoqa,
        "game24": game24.solve_game24,
        "stories": stories.solve_story,
    }
    draw_for_run = partial(draw, config.seed, config.repeat)
    return draw_for_run, read_all_templates(prompts or default), solvers.get(task.name)
