"""What several parts of a plan ask a config."""

from typing import TYPE_CHECKING

from ..criteria.candidates import count_candidates
from ..teachers.openai_teacher import OpenAITeacherSettings
from ..types import Task

if TYPE_CHECKING:
    from ..config.config import Config


def shows_attempt(config: "Config") -> bool:
    """Whether the teacher's prompt holds the student's attempt."""
    return (
        isinstance(config.teacher, OpenAITeacherSettings)
        and config.teacher.show_attempt
    )


def count_scored_seeds(config: "Config", task: Task) -> int:
    """The seeds that a criterion scores in a round if its signals cost calls or compute."""
    n_candidates = count_candidates(config.candidates, config.per_round, costly=True)
    return min(n_candidates or len(task.seeds), len(task.seeds))
