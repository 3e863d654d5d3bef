"""`teachback init` as a user meets it: its questions, the file it writes, a run of that file."""

import json
import os
import pty
import random
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from commands import Done, command
from teachback.build.task import make_task
from teachback.config.config import Config
from teachback.config.reading import read_config
from teachback.tasks.file_task import FileTaskSettings
from teachback.teachers.openai_teacher import OpenAITeacherSettings
from teachback.teachers.pool_teacher import PoolTeacherSettings
from test_cli import ENTRY

QUICK = [
    "--set",
    "student.max_new_tokens=8",
    "--set",
    "machine.threads=1",
    "--set",
    "finetune.epochs=1",
]


Init = Callable[..., Done]


@pytest.fixture
def init(tmp_path: Path) -> Init:
    """Runs the command in the test's folder, without a terminal."""

    def init(*args: object, name: str = "init") -> Done:
        return command(name, *args, cwd=tmp_path)

    return init


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text(
        "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows),
        encoding="utf-8",
    )
    return path


def additions(n: int) -> list[dict[str, Any]]:
    draw = random.Random(0)
    pairs = {(draw.randrange(100), draw.randrange(100)): None for _ in range(4 * n)}
    return [
        {
            "question": f"What is {a} + {b}?",
            "answer": a + b,
            "solution": f"{a} + {b} = {a + b}\n#### {a + b}",
        }
        for a, b in [*pairs][:n]
    ]


def renamed(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "text": row["question"],
        "level": row["answer"] % 2,
        "rationale": row["solution"],
    }


def read(path: Path) -> tuple[Config, Any]:
    settings = read_config(path)
    return settings, make_task(settings.task)


def test_from_a_file_to_a_finished_run_in_two_commands(
    tiny: Path, tmp_path: Path
) -> None:
    """Columns by other names, rows without an answer, and one that comes twice."""
    rows = additions(40)
    write(
        tmp_path / "my.jsonl", [*map(renamed, [*rows, rows[0]]), {"text": "How many?"}]
    )
    made = command("init", "my.jsonl", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    assert "grader number: " in made.stderr
    assert made.stdout.split() == ["next:", "teachback", "run", "my.yaml"]
    done = command(
        "run", "my.yaml", "--set", f"student.model={tiny}", *QUICK, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "12 rows generated" in done.stdout
    assert "after 3 rounds" in done.stdout
    # It says how to ask the student: as it was trained.
    instruction = (
        'Solve the problem step by step. End with a last line "Answer: <number>".'
    )
    assert repr(f"{instruction}\n\n…") in done.stdout
    assert (tmp_path / "runs/my/ledger.sqlite").exists()


def test_every_choice_has_its_comment(init: Init, tmp_path: Path) -> None:
    rows = [
        {**row, "meta": {"kind": "ab"[i % 2]}} for i, row in enumerate(additions(500))
    ]
    write(tmp_path / "my.jsonl", rows)
    assert init("my.jsonl").returncode == 0
    text = (tmp_path / "my.yaml").read_text(encoding="utf-8")
    keys = ["n_seeds", "n_dev", "n_test", "grader", "by", "model", "max_new_tokens"]
    keys += ["name: pool", "rows", "n_rows"]
    keys += ["criterion", "per_round", "generated", "rows_per_step", "restart"]
    for key in keys:
        assert re.search(rf"^ *{key}\b.* # \w", text, re.MULTILINE), key
    assert "grader: number          # 500 of 500 answers are numbers" in text
    assert 'End with a last line "Answer: <number>".' in text
    settings, task = read(tmp_path / "my.yaml")
    assert (len(task.seeds), len(task.dev), len(task.test), task.by) == (
        48,
        40,
        100,
        ("kind",),
    )
    assert isinstance(settings.teacher, PoolTeacherSettings)
    assert settings.student.max_new_tokens == 32


def test_the_other_teacher_below_it_is_a_config_too(init: Init, tmp_path: Path) -> None:
    """Edit the file as a person would: delete the pool, uncomment the rest, fill in the prices."""
    write(tmp_path / "my.jsonl", additions(60))
    assert init("my.jsonl").returncode == 0
    text = (tmp_path / "my.yaml").read_text(encoding="utf-8")
    before, after = text.split("\nteacher:\n")
    _, other = re.split(r"\n# [^\n]*marks off these:\n", after)
    commented, rest = other.split("\ncriterion:")
    bare = re.sub(r"^# ", "", commented, flags=re.MULTILINE)
    assert "fill in" in bare
    (tmp_path / "other.yaml").write_text(
        f"{before}\n{bare}\ncriterion:{rest}", encoding="utf-8"
    )
    refused = init("other.yaml", name="plan")
    assert (refused.returncode, "as_of" in refused.stderr) == (2, True)
    filled = (
        bare.replace("YYYY-MM-DD", "2025-06-01")
        .replace("input: USD", "input: 1")
        .replace("output: USD", "output: 2")
    )
    (tmp_path / "other.yaml").write_text(
        f"{before}\n{filled}\ncriterion:{rest}", encoding="utf-8"
    )
    settings, _ = read(tmp_path / "other.yaml")
    assert isinstance(settings.teacher, OpenAITeacherSettings)
    assert settings.priced_roles() == ["teacher"]


def test_rows_that_can_not_teach_need_a_model(init: Init, tmp_path: Path) -> None:
    rows = [*additions(40), *({"question": f"Why {i}?"} for i in range(300))]
    write(tmp_path / "my.jsonl", rows)
    done = init("my.jsonl", "--out", "new/other.yaml")
    assert done.returncode == 0, done.stderr
    assert "a model must write them" in done.stderr
    assert "teachback plan new/other.yaml" in done.stdout
    assert (tmp_path / "new/other.yaml").read_text().count("# fill in: yours") == 2
    settings, task = read(tmp_path / "new/other.yaml")
    assert isinstance(settings.teacher, OpenAITeacherSettings)
    assert len(task.dev) == 40
    done = init("my.jsonl", "--teacher", "pool")
    assert (done.returncode, "--teacher openai" in done.stderr) == (2, True)


def test_an_endpoint_that_was_named_stands_in_the_config(
    init: Init, tmp_path: Path
) -> None:
    write(tmp_path / "my.jsonl", additions(40))
    args = ("my.jsonl", "--model", "qwen: 3", "--base-url", "http://localhost:8000/v1")
    assert init(*args).returncode == 0
    teacher = read(tmp_path / "my.yaml")[0].teacher
    assert isinstance(teacher, OpenAITeacherSettings)
    assert (teacher.model, teacher.base_url) == ("qwen: 3", "http://localhost:8000/v1")
    assert init(*args, "--teacher", "pool", "--force").returncode == 2


def test_files_beside_it_measure_if_the_grader_reads_them(
    init: Init, tmp_path: Path
) -> None:
    rows = additions(99)
    write(tmp_path / "my_train.jsonl", rows[:50])
    write(tmp_path / "my_test.jsonl", rows[50:70])
    write(tmp_path / "my_dev.jsonl", [{**row, "answer": "many"} for row in rows[70:]])
    done = init("my_train.jsonl")
    assert "test: my_test.jsonl, which lies beside it, 20 rows" in done.stderr
    assert (
        "my_dev.jsonl lies beside it and is not used: 29 of 29 answers can't be read"
        in done.stderr
    )
    text = (tmp_path / "my_train.yaml").read_text()
    assert "  seeds: my_train.jsonl\n" in text
    assert "  test: my_test.jsonl" in text
    settings, task = read(tmp_path / "my_train.yaml")
    assert isinstance(settings.task, FileTaskSettings)
    assert (settings.task.dev, len(task.test), len(task.dev)) == (None, 20, 8)


@pytest.fixture
def boxed(tmp_path: Path) -> Path:
    rows = [
        {**row, "solution": rf"It is \boxed{{{row['answer']}}}."}
        for row in additions(40)
    ]
    return write(tmp_path / "my.jsonl", rows)


def test_where_two_graders_fit_it_asks(boxed: Path) -> None:
    person, terminal = pty.openpty()
    os.write(person, b"numbr\nmath\n")
    done = subprocess.run(
        [*ENTRY, "init", boxed.name],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=boxed.parent,
        stdin=terminal,
    )
    os.close(person)
    os.close(terminal)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("which grader, number or math?") == 2
    settings, _ = read(boxed.with_suffix(".yaml"))
    assert isinstance(settings.task, FileTaskSettings)
    assert settings.task.grader == "math"
    assert (
        settings.task.instruction
        == r"Solve the problem step by step. Put the final answer in \boxed{}."
    )


def test_without_a_terminal_it_names_both(init: Init, boxed: Path) -> None:
    done = init(boxed.name)
    assert done.returncode == 2
    assert (
        r"got: 40 of 40 answers are numbers; but 40 solutions end in \boxed"
        in done.stderr
    )
    assert "fix: --grader number, or --grader math" in done.stderr
    assert not boxed.with_suffix(".yaml").exists()
    assert init(boxed.name, "--grader", "number").returncode == 0


def test_nothing_is_written_over_without_force(init: Init, tmp_path: Path) -> None:
    write(tmp_path / "my.jsonl", additions(40))
    (tmp_path / "my.yaml").write_text("mine", encoding="utf-8")
    done = init("my.jsonl")
    assert (done.returncode, "my.yaml is there already" in done.stderr) == (2, True)
    assert (tmp_path / "my.yaml").read_text() == "mine"
    assert init("my.jsonl", "--force").returncode == 0
    assert (tmp_path / "my.yaml").read_text() != "mine"
    assert {p.name for p in tmp_path.iterdir()} == {"my.jsonl", "my.yaml"}


def test_names_that_yaml_would_read_otherwise(init: Init, tmp_path: Path) -> None:
    folder = tmp_path / "a: b #c"
    folder.mkdir()
    rows = [
        {"question: #1": row["question"], "yes": row["answer"], "[k]": i % 2}
        for i, row in enumerate(additions(99))
    ]
    path = write(folder / "my - 'file' é.jsonl", rows)
    write(folder / "my - 'file' é_test.jsonl", rows[:12])
    args = ("--question", "question: #1", "--answer", "yes", "--out", "my.yaml")
    done = init(path, *args)
    assert done.returncode == 0, done.stderr
    settings, task = read(tmp_path / "my.yaml")
    assert isinstance(settings.task, FileTaskSettings)
    assert (settings.task.question, settings.task.answer, task.by) == (
        "question: #1",
        "yes",
        ("[k]",),
    )
    assert len(task.test) == 12


@pytest.mark.parametrize(
    ("content", "args", "message"),
    [
        (None, (), "my.jsonl: can't be read"),
        ("", (), "my.jsonl has no rows"),
        ("question,answer\n", (), "my.jsonl, line 1: not JSON"),
        (
            '{"one": "see here", "other": "see there", "answer": 1}\n',
            (),
            "fix: name it: teachback init my.jsonl --question COLUMN",
        ),
        ('{"question": "q"}\n' * 40, (), "no row has an answer"),
        ('{"question": "q", "answer": [[1]]}\n', (), "the column 'answer' is no text"),
        ('{"question": "q", "answer": [1]}\n', (), "too few answered rows"),
        ('{"question": "q", "answer": "5"}\n', (), "too few answered rows"),
        (
            '{"question": "q", "answer": "b"}\n',
            ("--grader", "number"),
            "can't be read by the grader number",
        ),
        (
            '{"question": "q", "answer": "b"}\n',
            ("--answer", "gold"),
            "no column 'gold'",
        ),
    ],
)
def test_what_it_can_not_use_is_exit_code_2_and_a_sentence(
    content: str | None, args: tuple[str, ...], message: str, init: Init, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "my.jsonl").write_text(content, encoding="utf-8")
    done = init("my.jsonl", *args)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "my.yaml").exists()


@pytest.mark.parametrize(
    ("column", "text", "is_named"),
    [
        ("my steps", "Add {} to it.", True),
        ("my steps", "Add the second to the first.", True),
        ("kind", "an easy addition", False),
    ],
)
def test_a_column_that_may_hold_solutions_is_named(
    column: str, text: str, is_named: bool, init: Init, tmp_path: Path
) -> None:
    rows = additions(40)
    for i, row in enumerate(rows):
        row.pop("solution", None)
        row[column] = text.format(i)
    write(tmp_path / "my.jsonl", rows)
    done = init("my.jsonl")
    assert "no worked solutions" in done.stderr
    hint = f"If column '{column}' has them, add --solution 'my steps'"
    assert (hint in done.stderr) == is_named


@pytest.mark.parametrize("grader", ["number", "math"])
def test_solutions_that_end_in_another_answer_are_left_out(
    grader: str, init: Init, tmp_path: Path
) -> None:
    write(
        tmp_path / "my.jsonl",
        [{**row, "solution": "So.\n#### 1000"} for row in additions(40)],
    )
    done = init("my.jsonl", "--grader", grader)
    assert done.returncode == 0, done.stderr
    assert "some end in another answer than their row has: mend my-" in done.stderr
    settings, _ = read(tmp_path / "my.yaml")
    assert isinstance(settings.task, FileTaskSettings)
    answer = "number" if grader == "number" else "answer"
    assert (settings.task.solution, settings.task.instruction) == (
        None,
        f'Answer the question. End with a last line "Answer: <{answer}>".',
    )
