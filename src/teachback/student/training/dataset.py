"""What a student is trained on: rows that are there from the start, and each round's rows."""

from collections.abc import Callable, Sequence
from random import Random
from typing import Literal

from ...types import Row, Task


def seed_rows(task: Task) -> tuple[Row, ...]:
    """The seeds' own solutions as rows; seeds without one are left out."""
    rows = []
    for seed in task.seeds:
        text = task.target(seed)
        if text is not None:
            row_id = f"seed-{seed.id}"
            rows.append(
                Row(row_id, seed.id, 0, seed.question, text, seed.answer, verified=True)
            )
    return tuple(rows)


def select_training_rows(
    rows: Sequence[Row],
    fresh: Sequence[Row],
    *,
    restart: Literal["base", "continue"],
    replay: float,
    draw: Callable[[str, str, int], Random],
) -> Sequence[Row]:
    """The rows to train on, none where there is nothing new to learn.

    rows: all that were accepted so far, the fresh ones among them. A student that continues
    learns the fresh rows and a share `replay` of the earlier ones, drawn anew each round.
    """
    if restart == "base":
        return rows
    return replay_rows(rows, fresh, replay, draw) if fresh else []


def replay_rows(
    rows: Sequence[Row],
    fresh: Sequence[Row],
    replay: float,
    draw: Callable[[str, str, int], Random],
) -> list[Row]:
    fresh_ids = {row.id for row in fresh}
    earlier_ids = [row.id for row in rows if row.id not in fresh_ids]

    def random_order(id: str) -> tuple[float, str]:
        return draw("replay", id, len(rows)).random(), id

    n_replayed = round(replay * len(earlier_ids))
    replayed_ids = sorted(earlier_ids, key=random_order)[:n_replayed]
    kept_ids = fresh_ids.union(replayed_ids)
    return [row for row in rows if row.id in kept_ids]


def format_rows(
    rows: Sequence[Row], prompt: Callable[[str], str]
) -> list[tuple[str, str]]:
    """(message, text) of each row. prompt(question): what the student is asked."""
    return [(prompt(row.question), row.text) for row in rows]
