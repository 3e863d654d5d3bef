"""Adding a criterion, a task, a teacher or a grader: one new file, and its line in the registry.

The files are the examples of docs/extend.md and some more, put into a copy of the package.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLE = re.compile(r"```python\n# src/teachback/(\S+)\n(.*?)```", re.DOTALL)

# One of each kind in the other way: with settings where the docs' example has none, and without
# where it has some.
MORE_FILES = {
    "criteria/far_from.py": '''
"""`far_from`: how far the length of the answer is from a number of tokens."""

from .criterion import CriterionSettings
from .evidence import Evidence


class FarFromSettings(CriterionSettings):
    tokens: int = 5


def far_from(evidence: Evidence, tokens: int) -> list[float]:
    return [float(abs(attempt.n_tokens - tokens)) for attempt in evidence.attempts]
''',
    "graders/begins.py": '''
"""Grader `begins`: the first letters of the answer are the gold one's."""

from ..types import Example, Grade, Grader, PositiveInt, Settings
from .exact import parse_exact


class BeginsGraderSettings(Settings):
    letters: PositiveInt


def make_begins_grader(letters: int) -> Grader:
    def grade(example: Example, text: str) -> Grade:
        answer = text.removeprefix("Answer: ")
        is_right = answer[:letters] == str(example.answer)[:letters]
        return Grade("right" if is_right else "wrong", answer, is_right)

    return Grader(grade, parse_exact)
''',
    "tasks/echo.py": '''
"""`echo`: say the word again."""

from random import Random
from typing import Literal

from ..graders.exact import EXACT_GRADER
from ..types import Example, Settings, Task, Exercise


class EchoSettings(Settings):
    name: Literal["echo"]


def load_echo() -> Task:
    def write(seed: Example, random: Random) -> Exercise:
        word = f"w{random.randrange(10**9)}"
        return Exercise(word, f"Answer: {word}", word)

    def examples(split: str) -> tuple[Example, ...]:
        return tuple(Example(f"{split}-{i}", f"{split}{i}", f"{split}{i}") for i in range(8))

    return Task(
        name="echo", seeds=examples("seed"), dev=examples("dev"), test=(), prompt=str,
        target=lambda example: f"Answer: {example.answer}", grade=EXACT_GRADER.grade,
        verify=EXACT_GRADER.parse, exact=True, key=str, write=write, templated=True,
    )
''',
    "teachers/plain.py": '''
"""`plain`: the program teacher under another name."""

from typing import Literal

from ..types import Settings
from .program_teacher import ProgramTeacherSettings, hash_program, make_program_teacher
from .registered import Teacher, TeacherContext, TeacherRun


class PlainTeacherSettings(Settings):
    name: Literal["plain"]


def make_plain(
    settings: PlainTeacherSettings, context: TeacherContext, run: TeacherRun
) -> Teacher:
    return make_program_teacher(ProgramTeacherSettings(), context, run)


def hash_plain(settings: PlainTeacherSettings, context: TeacherContext) -> str:
    return hash_program(ProgramTeacherSettings(), context)
''',
}
MORE_LINES = {
    "criteria": (
        "from .far_from import FarFromSettings, far_from",
        '"far_from": Criterion(far_from, "graded", settings=FarFromSettings),',
    ),
    "graders": (
        "from .begins import BeginsGraderSettings, make_begins_grader",
        '"begins": RegisteredGrader(make_begins_grader, BeginsGraderSettings),',
    ),
    "tasks": (
        "from .echo import EchoSettings, load_echo",
        '"echo": RegisteredTask(EchoSettings, load_echo),',
    ),
    "teachers": (
        "from .plain import PlainTeacherSettings, hash_plain, make_plain",
        '"plain": RegisteredTeacher(PlainTeacherSettings, make_plain, hash_plain),',
    ),
}

RUN = """
import json, sys
from pathlib import Path
from teachback.testing import fake_run

changes, folder = json.loads(sys.argv[1]), Path(sys.argv[2])
history = fake_run(folder, rounds=2, **changes)
rows = [row.question for row in history.rows]
picks = [pick.seed for round in history.rounds for pick in round.chosen.picks]
print(json.dumps([len(history.rounds), len(rows), len(picks)]))
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a copy of the package, in which each registry has two more lines."""
    folder = tmp_path_factory.mktemp("package")
    copy = folder / "teachback"
    shutil.copytree(ROOT / "src/teachback", copy, ignore=lambda *_: {"__pycache__"})
    files = dict(MORE_FILES)
    lines = {room: [line] for room, line in MORE_LINES.items()}
    for name, text in EXAMPLE.findall((ROOT / "docs/extend.md").read_text()):
        if name.endswith("__init__.py"):
            imports, entry = text.split("\n\n", 1)
            lines[name.partition("/")[0]].append((imports, entry))
        else:
            assert not (ROOT / "src/teachback" / name).exists()
            files[name] = text
    for name, text in files.items():
        (copy / name).write_text(text)
    for room, added in lines.items():
        assert len(added) == 2, f"docs/extend.md has no example for {room}"
        registry = copy / room / "__init__.py"
        text = registry.read_text()
        for imports, entry in added:
            first = text.index("from collections.abc")
            text = f"{text[:first]}{imports}\n{text[first:]}"
            end = text.rindex("}")
            text = f"{text[:end]}    {entry.strip()}\n{text[end:]}"
        registry.write_text(text)
    return folder


def in_package(package: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(package)},
        cwd=package,
    )


def write_rows(folder: Path) -> Path:
    path = folder / "rows.jsonl"
    rows = [
        {"question": f"Who wrote book {i}?", "answer": f"author {i}"} for i in range(40)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


TABLE = {"name": "jsonl", "n_dev": 8, "n_test": 8}


@pytest.mark.parametrize(
    "changes",
    [
        {"criterion": "longest"},
        {"criterion": {"name": "far_from", "tokens": 3}},
        {"task": {"name": "sums", "seeds": 12, "dev": 6}},
        {"task": {"name": "echo"}},
        {"teacher": {"name": "shortest", "tries": 4}},
        {"teacher": {"name": "plain"}},
    ],
    ids=json.dumps,
)
def test_a_new_file_and_its_line_are_enough(
    changes: dict[str, Any], package: Path, tmp_path: Path
) -> None:
    ran = in_package(package, "-c", RUN, json.dumps(changes), str(tmp_path / "run"))
    assert ran.returncode == 0, ran.stderr
    rounds, rows, picks = json.loads(ran.stdout)
    assert rounds == 2
    assert rows > 0
    assert picks == 8


@pytest.mark.parametrize(
    "grader",
    [{"grader": "compact"}, {"grader": "begins", "letters": 9}],
    ids=json.dumps,
)
def test_so_they_are_for_a_grader(
    grader: dict[str, Any], package: Path, tmp_path: Path
) -> None:
    task = {**TABLE, "seeds": str(write_rows(tmp_path)), **grader}
    code = """
import json, sys
from teachback.build.task import make_task
from teachback.config.reading import make_config

config = make_config({"task": json.loads(sys.argv[1]), "rounds": 1, "per_round": 4})
task = make_task(config.task)
example = task.dev[0]
answers = [f"Answer: {example.answer}", "Answer: somebody else"]
print(json.dumps([task.grade(example, text).outcome for text in answers]))
"""
    ran = in_package(package, "-c", code, json.dumps(task))
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == ["right", "wrong"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"criterion": "longes"}, "did you mean longest?"),
        ({"criterion": {"name": "far_from", "token": 3}}, "did you mean tokens?"),
        ({"teacher": {"name": "shortest", "tries": 0}}, "teacher.tries"),
        ({"task": {"name": "sum"}}, "did you mean sums?"),
    ],
    ids=json.dumps,
)
def test_messages_know_the_new_names(
    changes: dict[str, Any], message: str, package: Path, tmp_path: Path
) -> None:
    ran = in_package(package, "-c", RUN, json.dumps(changes), str(tmp_path / "run"))
    assert message in ran.stderr


def test_the_schema_knows_the_new_names(package: Path) -> None:
    code = "from teachback.cli import main; main()"
    ran = in_package(package, "-c", code, "schema")
    assert ran.returncode == 0, ran.stderr
    schema = json.loads(ran.stdout)
    criterion = json.dumps(schema["properties"]["criterion"])
    assert '"longest"' in criterion
    assert '"far_from"' in criterion
    assert "letters" in schema["$defs"]["FileTaskSettings"]["properties"]
    tries = schema["$defs"]["ShortestTeacherSettings"]["properties"]["tries"]
    assert tries["minimum"] == 1
    comment = "Exercises that are written for each one that is taken."
    assert tries["description"] == comment
