"""A task that a user's function makes.

It is read from a file, is part of the run's identity, and is taught by its own program.
"""

from pathlib import Path
from typing import Any

import pytest

from teachback.build.task import make_task
from teachback.config.reading import make_config
from teachback.errors import ConfigError, TeachbackError
from teachback.testing import fake_run

SUMS = """
from random import Random
from teachback.rng import draw
from teachback.types import Example, Grade, Task, Exercise

def example(split, i, repeat):
    rng = draw(0, repeat, split, str(i), 0)
    a, b = rng.randrange(1000), rng.randrange(1000)
    return Example(f"{split}-{i}", f"{a} + {b}?", str(a + b), str(a + b), {"digits": len(str(a))})

def check(question, text):
    a, b = question.rstrip("?").split(" + ")
    right = text == str(int(a) + int(b))
    return Grade("right" if right else "wrong", text, right)

def write(seed, rng):
    a, b = rng.randrange(1000), rng.randrange(1000)
    return Exercise(f"{a} + {b}?", str(a + b))

def sums(options, repeat):
    n = options["n"]
    return Task(
        name="sums",
        seeds=tuple(example("seed", i, repeat) for i in range(n)),
        dev=tuple(example("dev", i, repeat) for i in range(n)),
        test=(),
        prompt=str,
        target=lambda e: e.solution,
        grade=lambda e, text: check(e.question, text),
        verify=check,
        exact=True,
        key=str,
        templated=True,
        write=write,
        by=("digits",),
    )

def nothing(options, repeat):
    return None
"""


def tree(folder: Path, name: str = "sums", source: str = SUMS) -> dict[str, Any]:
    (folder / "mine.py").write_text(source)
    return {"name": "own", "function": f"{folder}/mine.py:{name}", "options": {"n": 12}}


def test_it_is_made_of_its_options_and_the_repeat(tmp_path: Path) -> None:
    config = make_config({"task": tree(tmp_path), "rounds": 1}).task
    zero, again, one = make_task(config), make_task(config), make_task(config, 1)
    assert (len(zero.seeds), zero.name) == (12, "sums")
    assert zero.seeds == again.seeds != one.seeds


def test_a_run_learns_it_from_its_own_program(tmp_path: Path) -> None:
    history = fake_run(tmp_path / "run", task=tree(tmp_path), rounds=2, per_round=4)
    rows = [row for done in history.rounds for row in done.fresh.rows]
    assert len(rows) == 8
    assert all(
        row.verified and str(eval(row.question[:-1])) == row.text for row in rows
    )
    assert set(history.rounds[-1].report.by) == {"digits"}


def test_another_source_is_another_run(tmp_path: Path) -> None:
    fake_run(tmp_path / "run", task=tree(tmp_path), rounds=1)
    with pytest.raises(TeachbackError, match="task"):
        fake_run(
            tmp_path / "run",
            task=tree(tmp_path, source=SUMS + "\n# another word\n"),
            rounds=1,
        )


def test_what_is_no_task_is_said(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"mine\.py:nothing makes no task.*\n?.*NoneType"
    ):
        make_task(make_config({"task": tree(tmp_path, "nothing"), "rounds": 1}).task)
    with pytest.raises(
        ConfigError, match=r"has no function products\(options, repeat\)"
    ):
        make_task(make_config({"task": tree(tmp_path, "products"), "rounds": 1}).task)
