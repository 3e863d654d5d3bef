"""A task of one's own: splits that don't depend on the file's order, and errors that name the file and the line."""

import json
import random
from pathlib import Path

import pytest

from teachback.errors import DataError
from teachback.graders import GRADERS
from teachback.tasks.jsonl import Columns, Split, load, target
from teachback.types import Example, Task


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def rows(n: int) -> list[dict[str, object]]:
    return [{"id": f"r{i}", "question": f"What is {i} + 1?", "answer": str(i + 1), "meta": {"i": i}} for i in range(n)]


def task(seeds: Path, **changes: object) -> Task:
    settings: dict[str, object] = {
        "dev": None,
        "n_dev": 5,
        "test": None,
        "columns": Columns(),
        "grader": GRADERS["number"],
        "instruction": None,
    }
    return load(seeds=Split(seeds), **{**settings, **changes})  # type: ignore[arg-type]


def test_splits_are_disjoint_and_stable_under_reordering(tmp_path: Path) -> None:
    data = rows(40)
    one = task(write(tmp_path / "a.jsonl", data))
    random.Random(0).shuffle(data)
    two = task(write(tmp_path / "b.jsonl", data))
    assert one.seeds == two.seeds
    assert one.dev == two.dev
    assert len(one.dev) == 5
    assert len(one.seeds) == 35
    assert not {e.question for e in one.seeds} & {e.question for e in one.dev}
    assert one.dev[0].meta["i"] == int(one.dev[0].id[1:])


def test_seeds_may_lack_answers_and_dev_may_not(tmp_path: Path) -> None:
    without = write(tmp_path / "seeds.jsonl", [{"question": f"q {i}"} for i in range(4)])
    dev = write(tmp_path / "dev.jsonl", rows(3))
    assert task(without, dev=Split(dev)).seeds[0].answer is None
    with pytest.raises(DataError, match="4 rows of dev have no answer in the column 'answer'"):
        task(dev, dev=Split(without))


def test_grades_and_verifies(tmp_path: Path) -> None:
    t = task(write(tmp_path / "a.jsonl", rows(20)), instruction="Think.")
    gold = Example("x", "q", "1000")
    assert t.grade(gold, "so\nAnswer: 1,000.0").outcome == "right"
    assert t.grade(gold, "so\nAnswer: -1000").outcome == "wrong"
    assert t.grade(gold, "so it is 1000").outcome == "unparsed"
    assert t.grade(gold, "Answer: many").outcome == "unparsed"
    assert t.verify("q", "Answer: 7").outcome == "right"
    assert t.verify("q", "7").outcome == "unparsed"
    assert t.verify(" ", "Answer: 7").outcome == "unparsed"
    assert not t.exact
    assert t.prompt("q") == "Think.\n\nq"
    assert t.key("What  is IT?") == t.key("what is it?")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"question": "a"}\nnot json\n', r"seeds\.jsonl, line 2: not JSON"),
        ('{"question": "a"}\n[1]\n', r"line 2: not an object"),
        ('{"prompt": "a"}\n', r"row 1: no question in the column 'question'\n.*the columns prompt\n.*task\.question"),
        ('{"id": 1, "question": "a"}\n{"id": 1, "question": "b"}\n', "has the id '1' twice"),
        ("", "has no rows"),
    ],
)
def test_bad_files_say_what_is_wrong(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "seeds.jsonl"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        task(path)


def test_a_missing_file_and_too_few_rows(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing\\.jsonl"):
        task(tmp_path / "nothing.jsonl")
    with pytest.raises(DataError, match="n_dev asks for 50 rows, and 20 different ones are left"):
        task(write(tmp_path / "a.jsonl", rows(20)), n_dev=50)


def test_target_ends_in_the_answer_once() -> None:
    assert target(Example("x", "q", "5", "2 + 3 = 5\n#### 5")) == "2 + 3 = 5\n#### 5"
    assert target(Example("x", "q", "5", "2 + 3 = 5")) == "2 + 3 = 5\nAnswer: 5"
    assert target(Example("x", "q", "5")) == "Answer: 5"
    assert target(Example("x", "q")) is None


@pytest.mark.parametrize(
    ("name", "grader"),
    [("gsm8k_test", "number"), ("svamp_test", "number"), ("prosqa_test", "exact"), ("bbh_logic_test", "exact")],
)
def test_the_real_files_read_and_their_golds_are_right(data: Path, name: str, grader: str) -> None:
    t = task(data / f"{name}.jsonl", grader=GRADERS[grader], n_dev=50)
    for e in (*t.seeds, *t.dev):
        assert t.grade(e, f"because.\nAnswer: {e.answer}").outcome == "right"
        assert t.grade(e, f"because.\nAnswer: not {e.answer}").outcome != "right"
