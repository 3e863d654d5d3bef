"""The pool teacher's reserve: a step of the run, since the base student reads every row."""

from collections.abc import Callable
from typing import Any

from ..config.config import Config
from ..curate.training_rows import forbidden_keys
from ..run.directory import Run
from ..run.identity import hash_bytes
from ..student.responder import StudentResponder
from ..tasks.jsonl import read_reserve
from ..teachers import pool
from ..teachers.pool_teacher import PoolTeacherSettings
from ..types import Example, Reserve, Row, Student, Task

OpenReserve = Callable[[PoolTeacherSettings], tuple[Reserve, tuple[Row, ...], Any]]


def make_reserve_opener(
    config: Config, run: Run, task: Task, base: Student, responder: StudentResponder
) -> OpenReserve:
    """open(settings): the reserve, the rows of its file, and embedding_N_D of seeds and rows."""

    def open_reserve(
        settings: PoolTeacherSettings,
    ) -> tuple[Reserve, tuple[Row, ...], Any]:
        rows = read_reserve(settings.rows, config.task, task)

        def embed_reserve() -> Reserve:
            kept, notes = pool.disjoint(rows, forbidden_keys(task), task.key)
            if settings.n_rows is not None:
                kept = tuple(sorted(kept, key=hash_question)[: settings.n_rows])
            items: list[Example | Row] = [*task.seeds, *kept]
            questions = [(item.id, item.question) for item in items]
            row_ids = tuple(row.id for row in kept)
            return Reserve(row_ids, responder.embed_questions(base, questions), notes)

        def hash_question(row: Row) -> str:
            return hash_bytes(task.key(row.question).encode())

        reserve = run.step(0, "reserve", embed_reserve)
        return reserve, rows, run.load_array(reserve.embedding)

    return open_reserve
