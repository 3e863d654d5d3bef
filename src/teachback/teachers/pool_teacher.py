"""`pool`: hands out rows you already have. A dry run without any teacher."""

from pathlib import Path
from typing import Literal

from ..files.find_files import hash_row_files
from ..types import PositiveInt, Settings
from .pool import count_rows_left, hand_out_rows, make_pool, worst_pool_costs
from .registered import Teacher, TeacherContext, TeacherRun


class PoolTeacherSettings(Settings):
    """Each seed gets the unused row nearest to it."""

    name: Literal["pool"]
    # A file, a folder or a pattern, with the task's columns, or question, and answer or solution.
    rows: Path
    # How many of them, by a hash of the question. The base student reads each once.
    n_rows: PositiveInt | None = None


def make_pool_teacher(
    settings: PoolTeacherSettings, context: TeacherContext, run: TeacherRun
) -> Teacher:
    reserve, rows, embedding_N_D = run.open_reserve(settings)
    row_by_id = {row.id: row for row in rows}
    kept = [row_by_id[id] for id in reserve.rows]
    task, ledger = context.task, run.ledger
    seeds = {seed.id: seed for seed in task.seeds}
    pool = make_pool(kept, task.seeds, embedding_N_D, run.count_tokens)
    return Teacher(
        prices=lambda pairs: worst_pool_costs(
            ledger, pool, [seed for seed, _ in pairs]
        ),
        generate=lambda round, picks, attempts: hand_out_rows(
            picks,
            seeds,
            round=round,
            ledger=ledger,
            pool=pool,
            fingerprint=run.fingerprint,
        ),
        left=lambda: count_rows_left(ledger, pool),
    )


def hash_reserve(settings: PoolTeacherSettings, context: TeacherContext) -> str:
    """sha256 of the file of rows. Raises DataError for one that can't be read."""
    return hash_row_files(settings.rows)
