"""A task of one's own: named columns, graders, and errors that name the file and the row."""

import json
from pathlib import Path

import pytest

from teachback.build.task import make_task
from teachback.config.reading import make_config
from teachback.errors import DataError, TeachbackError
from teachback.files.json_rows import read_jsonl
from teachback.graders import GRADERS
from teachback.tasks import rows_task
from teachback.tasks.existing_rows import read_existing_rows
from teachback.tasks.rows_task import AnswerFormat
from teachback.tasks.splits import SplitSizes
from teachback.tasks.table import ExampleColumns, examples_from_rows
from teachback.types import Example, Task


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def rows(n: int) -> list[dict[str, object]]:
    return [
        {
            "id": f"r{i}",
            "question": f"What is {i} + 1?",
            "answer": str(i + 1),
            "meta": {"i": i},
        }
        for i in range(n)
    ]


def task(seeds: Path, **changes: object) -> Task:
    settings = {
        "name": "jsonl",
        "seeds": str(seeds),
        "n_dev": 5,
        "grader": "number",
        **changes,
    }
    return make_task(make_config({"task": settings, "rounds": 1, "per_round": 1}).task)


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
    assert not t.templated
    assert t.prompt("q") == "Think.\n\nq"
    assert t.key("What  is IT?") == t.key("what is it?")


def test_columns_by_name_and_answers_out_of_solutions(tmp_path: Path) -> None:
    data = [
        {"q": f"q {i}", "worked": f"so\n#### {i}", "level": i % 2} for i in range(10)
    ]
    names = {
        "question": "q",
        "answer": None,
        "solution": "worked",
        "by": ["level"],
        "n_test": 3,
    }
    t = task(write(tmp_path / "a.jsonl", data), **names)
    assert (len(t.seeds), len(t.dev), len(t.test)) == (2, 5, 3)
    one = t.dev[0]
    assert one.answer == one.question.removeprefix("q ")
    assert one.meta == {"level": int(one.question[-1]) % 2}
    assert t.by == ("level",)
    assert one.id.startswith("a-")
    with pytest.raises(DataError, match=r"task.by names a field that no row has"):
        task(tmp_path / "a.jsonl", **{**names, "by": ["depth"]})


def test_rows_without_ids_keep_theirs_under_reordering(tmp_path: Path) -> None:
    data = [{"question": f"What is {i}?", "answer": i} for i in range(20)]
    one, two = (
        task(write(tmp_path / "a.jsonl", data)),
        task(write(tmp_path / "a.jsonl", data[::-1])),
    )
    assert one.seeds == two.seeds
    assert one.dev == two.dev


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"question": "a"}\nnot json\n', r"seeds\.jsonl, line 2: not JSON"),
        ('{"question": "a"}\n[1]\n', r"line 2: not an object"),
        (
            '{"prompt": "a"}\n',
            r"row 1: no question in the column 'question'\n.*the columns prompt\n.*task\.question",
        ),
        (
            '{"id": 1, "question": "a"}\n{"id": 1, "question": "b"}\n',
            "has the id '1' twice",
        ),
        (
            '{"question": "a", "answer": ["b"]}\n',
            "row 1: the column 'answer' is no text",
        ),
        ("", "has no rows"),
    ],
)
def test_bad_files_say_what_is_wrong(
    tmp_path: Path, content: str, message: str
) -> None:
    path = tmp_path / "seeds.jsonl"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        task(path)


def test_a_missing_file_and_too_few_rows(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing\.jsonl"):
        task(tmp_path / "nothing.jsonl")
    with pytest.raises(
        DataError, match=r"too few rows for dev\n.*20 different ones, 50 asked for"
    ):
        task(write(tmp_path / "a.jsonl", rows(20)), n_dev=50)


def test_golds_that_the_grader_cannot_read_are_refused(tmp_path: Path) -> None:
    data = write(
        tmp_path / "a.jsonl",
        [{"question": f"q {i}", "answer": "many"} for i in range(9)],
    )
    with pytest.raises(
        DataError, match=r"5 gold answers can't be read by task.grader\n.*'many'"
    ):
        task(data)
    assert task(data, grader="exact").dev


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"grader": "regex"}, "regex and pattern belong together"),
        ({"pattern": "x"}, "regex and pattern belong together"),
        ({"function": "a:b"}, "function and function belong together"),
        ({"grader": "fuzzy"}, "exact"),
    ],
)
def test_settings_that_contradict_each_other(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(TeachbackError, match=message):
        task(write(tmp_path / "a.jsonl", rows(20)), **changes)


def test_target_ends_in_the_answer_once() -> None:
    target = AnswerFormat(GRADERS["number"]).target
    assert target(Example("x", "q", "5", "2 + 3 = 5\n#### 5")) == "2 + 3 = 5\nAnswer: 5"
    assert target(Example("x", "q", "5", "2 + 3 = 5")) == "2 + 3 = 5\nAnswer: 5"
    assert (
        target(Example("x", "q", "5", "2 + 3 = 5\nAnswer: 5")) == "2 + 3 = 5\nAnswer: 5"
    )
    assert (
        target(Example("x", "q", "5", "Answer: see below"))
        == "Answer: see below\nAnswer: 5"
    )
    assert target(Example("x", "q", "5")) == "Answer: 5"
    assert target(Example("x", "q")) is None


def test_given_rows_are_in_the_answer_form_of_the_task(tmp_path: Path) -> None:
    target = AnswerFormat(GRADERS["number"]).target
    path = write(
        tmp_path / "g.jsonl",
        [{"question": "q", "text": "as it is"}, {"question": "r", "answer": "4"}],
    )
    assert [row.text for row in read_existing_rows(path, target)] == [
        "as it is",
        "Answer: 4",
    ]
    with pytest.raises(DataError, match="row 1: nothing to train on"):
        read_existing_rows(write(tmp_path / "h.jsonl", [{"question": "q"}]), target)


@pytest.mark.parametrize(
    ("name", "grader"),
    [
        ("svamp_test", "number"),
        ("gsm_hard_test", "number"),
        ("prosqa_test", "exact"),
        ("bbh_logic_test", "exact"),
    ],
)
def test_the_real_files_read_and_their_golds_are_right(
    data: Path, name: str, grader: str
) -> None:
    found = examples_from_rows(
        read_jsonl(data / f"{name}.jsonl"), name, ExampleColumns()
    )
    t = rows_task.make_task_from_rows(
        found,
        dev=None,
        test=None,
        sizes=SplitSizes(dev=50, test=50),
        form=AnswerFormat(GRADERS[grader]),
    )
    for e in (*t.seeds, *t.dev, *t.test):
        assert t.grade(e, f"because.\nAnswer: {e.answer}").outcome == "right"
