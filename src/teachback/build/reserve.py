"""From the config to the pool teacher's reserve: a step of the run, since the base student reads
every row.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from ..config.config import Config
from ..curate.training_rows import forbidden_keys
from ..run.directory import Run
from ..student.responder import StudentResponder
from ..tasks.file_task import read_reserve
from ..teachers.pool import embed_reserve
from ..teachers.pool_teacher import PoolTeacherSettings
from ..types import Reserve, Row, Student, Task

OpenReserve = Callable[[PoolTeacherSettings], tuple[Reserve, tuple[Row, ...], Any]]


def make_reserve_opener(
    config: Config, run: Run, task: Task, base: Student, responder: StudentResponder
) -> OpenReserve:
    """open(settings): the reserve, the rows of its file, and embedding_N_D of seeds and rows."""

    def open_reserve(
        settings: PoolTeacherSettings,
    ) -> tuple[Reserve, tuple[Row, ...], Any]:
        rows = read_reserve(
            settings.rows, config.task, task, partial(run.note_once, "reserve")
        )
        reserve = run.step(
            0,
            "reserve",
            embed_reserve,
            rows,
            task.seeds,
            forbidden_keys(task),
            task.key,
            settings.n_rows,
            partial(responder.embed_questions, base),
        )
        return reserve, rows, run.load_array(reserve.embedding)

    return open_reserve
