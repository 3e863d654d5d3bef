"""Columns as a config names them; the same rows give the same examples in every format."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teachback.build.task import make_task
from teachback.config.reading import make_config
from teachback.errors import ConfigError, DataError
from teachback.files.arrow_rows import rows_of_arrow
from teachback.files.csv_rows import read_csv
from teachback.files.json_rows import read_json_rows
from teachback.tasks.cell_error import CellError
from teachback.tasks.cells import find_cell
from teachback.tasks.existing_rows import read_existing_rows
from teachback.tasks.file_task import read_reserve
from teachback.tasks.keys import text_key
from teachback.tasks.splits import SplitSizes, split_examples
from teachback.tasks.table import ExampleColumns, examples_from_rows
from teachback.types import Example, Task

CHAT = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Ho"},
    {"role": "user", "content": "What is 2 + 2?"},
    {"role": "assistant", "content": "4"},
]


@pytest.mark.parametrize(
    ("cell", "path", "value"),
    [
        ({"text": ["x", "y"]}, "c.text[1]", "y"),
        ({"text": ["x"]}, "c.text[5]", None),
        ({"text": "x"}, "c.other", None),
        ([{"k": 1}, {"k": 2}], "c.k", [1, 2]),
        ('{"k": ["x"]}', "c.k[0]", "x"),
        (None, "c.k", None),
        (CHAT, "c.system", "Be brief."),
        (CHAT, "c.assistant", "4"),
        (CHAT[:2], "c.user", "Hi"),
        (CHAT[:2], "c.assistant", None),
        (json.dumps(CHAT), "c.assistant", "4"),
        (CHAT, "c.user", "User: Hi\n\nAssistant: Ho\n\nUser: What is 2 + 2?"),
    ],
)
def test_steps_into_nested_columns(cell: object, path: str, value: object) -> None:
    assert find_cell({"c": cell}, path) == value


def test_a_column_with_dots_in_its_name_comes_first() -> None:
    row = {"c.k": 1, "c": {"k": 2}, "c.k.l": {"m": 3}}
    assert find_cell(row, "c.k") == 1
    assert find_cell(row, "c.k.l.m") == 3
    assert find_cell(row, "d.k") is None


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ([*CHAT, {"role": "assistant", "content": "or 5"}], "two replies"),
        ([*CHAT, {"role": "tool", "content": "5"}], "a turn by 'tool'"),
        ([{"role": "user", "content": [{"type": "image"}]}], "no text"),
        ([{"role": "assistant", "content": "x", "tool_calls": [1]}], "call of a tool"),
        ("[{broken", "is no JSON"),
    ],
)
def test_chats_that_can_not_be_read(cell: object, message: str) -> None:
    with pytest.raises(CellError, match=message):
        find_cell({"c": cell}, "c.assistant")


def read_one(row: dict[str, Any], **columns: Any) -> Example:
    (example,) = examples_from_rows([row], "my.jsonl", ExampleColumns(**columns))
    return example


def test_several_columns_make_a_question() -> None:
    columns = ("context", "question", "note?")
    row = {"context": "Some text.", "question": "Who?", "note": ""}
    assert read_one(row, question=columns).question == "Some text.\n\nWho?"
    with pytest.raises(DataError, match="row 1: no question in the column 'context'"):
        read_one({**row, "context": " "}, question=columns)
    assert read_one({"why?": "x"}, question=("why?",)).question == "x"


@pytest.mark.parametrize(
    ("row", "columns", "letter"),
    [
        ({"o": ["x", "y"], "a": "b"}, {"options": ("o",)}, "B"),
        ({"o": ["x", "y"], "a": "(A)"}, {"options": ("o",)}, "A"),
        ({"o": ["x", "y"], "a": 1}, {"options": ("o",), "correct": "index"}, "B"),
        ({"o": ["x", "y"], "a": 1.0}, {"options": ("o",), "correct": "number"}, "A"),
        ({"o": ["x", "y"], "a": "y"}, {"options": ("o",), "correct": "text"}, "B"),
        ({"p": "x", "q": "y", "r": None, "a": "B"}, {"options": ("p", "q", "r")}, "B"),
        ({"o": '["x", "y"]', "a": "B"}, {"options": ("o",)}, "B"),
        ({"o": ["x", "y"], "a": None}, {"options": ("o",)}, None),
    ],
)
def test_options(row: dict[str, Any], columns: dict[str, Any], letter: str) -> None:
    example = read_one({"question": "Q", **row}, answer="a", **columns)
    assert (example.question, example.answer) == ("Q\n(A) x\n(B) y", letter)


@pytest.mark.parametrize(
    ("row", "correct", "message"),
    [
        (
            {"o": ["x", "y"], "a": "C"},
            "letter",
            r"'C' is the letter of no option \(A: x; B: y\)",
        ),
        ({"o": ["x", "y"], "a": 2}, "index", "the index of no option"),
        ({"o": ["x", "y"], "a": 0}, "number", "the number of no option"),
        ({"o": ["x", "x"], "a": "x"}, "text", "the text of no option"),
        ({"o": ["x"], "a": "A"}, "letter", "has 1 options"),
        ({"o": ["x", None, "z"], "a": "A"}, "letter", "lacks option 2"),
        ({"o": 5, "a": "A"}, "letter", "holds no options"),
    ],
)
def test_options_that_can_not_be_read(
    row: dict[str, Any], correct: Any, message: str
) -> None:
    with pytest.raises(DataError, match=rf"my\.jsonl, row 1: 'o': .*{message}"):
        read_one({"question": "Q", **row}, answer="a", options=("o",), correct=correct)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), b"x", [1], {"k": 1}])
def test_answers_that_are_no_text_are_refused_with_their_row(value: object) -> None:
    rows = [{"question": "q", "answer": "1"}, {"question": "r", "answer": value}]
    with pytest.raises(DataError, match=r"my\.jsonl, row 2: the column 'answer' is no"):
        examples_from_rows(rows, "my.jsonl", ExampleColumns())


def test_an_empty_question_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "my.csv"
    path.write_text('question,answer\n"two\nlines",1\n,2\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"my\.csv, line 4, row 2: no question"):
        make_files_task(path)


def make_files_task(path: Path, **changes: Any) -> Task:
    tree = {"name": "files", "seeds": str(path), "n_dev": 2, **changes}
    return make_task(make_config({"task": tree, "rounds": 1, "per_round": 1}).task)


def test_a_config_says_what_is_done_with_the_columns(tmp_path: Path) -> None:
    path = tmp_path / "my.jsonl"
    rows = [{"q": f"q{i}", "c": "C", "o": ["x", "y"], "a": i % 2} for i in range(9)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    changes = {
        "question": ["c", "q"],
        "options": "o",
        "answer": "a",
        "correct": "index",
        "grader": "choice",
    }
    task = make_files_task(path, **changes)
    assert task.seeds[0].question.startswith("C\n\nq")
    assert {one.answer for one in task.seeds} == {"A", "B"}
    former = make_files_task(path, **changes, name="jsonl")
    assert former.seeds == task.seeds
    for wrong, message in (
        ({"question": []}, "at least one column"),
        ({"correct": "index", "options": None}, "give options"),
        ({"correct": "place"}, "letter"),
    ):
        with pytest.raises(ConfigError, match=message):
            make_files_task(path, **{**changes, **wrong})


def test_how_a_file_was_read_is_a_note_of_the_task(tmp_path: Path) -> None:
    path = tmp_path / "my.csv"
    text = "question;answer\n" + "".join(f"Größe {i}?;{i}\n" for i in range(5))
    path.write_bytes(text.encode("latin-1"))
    notes = make_files_task(path).notes
    assert any("Latin-1" in note for note in notes)
    assert any("separated by ';'" in note for note in notes)


def test_rows_and_a_reserve_in_the_tasks_columns(tmp_path: Path) -> None:
    """The files of `rows` and of the pool may have the task's columns, or the plain ones."""
    seeds = tmp_path / "my.csv"
    seeds.write_text(
        "frage,antwort\n" + "".join(f"q{i},{i}\n" for i in range(9)), encoding="utf-8"
    )
    config = make_config(
        {
            "task": {
                "name": "files",
                "seeds": str(seeds),
                "n_dev": 2,
                "question": "frage",
                "answer": "antwort",
            },
            "rounds": 1,
            "per_round": 1,
        }
    )
    task = make_task(config.task)
    assert len(read_reserve(seeds, config.task, task)) == 9
    other = tmp_path / "other.csv"
    other.write_text("frage,antwort\nx,007\n", encoding="utf-8")
    plain = tmp_path / "plain.tsv"
    plain.write_text("question\ttext\nx\tas it is\n", encoding="utf-8")
    (row,) = read_reserve(other, config.task, task)
    assert (row.question, row.text, row.answer) == ("x", "Answer: 007", "007")
    (row,) = read_existing_rows(plain, task.target, columns=config.task.columns)
    assert row.text == "as it is"


TEXTS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=6
)
ANSWERS = st.one_of(
    st.none(),
    TEXTS,
    st.sampled_from(["007", "1.50", "1e5", "NA", "null", "None", "True", "[1]", "-0"]),
)
NUMBERS = st.one_of(
    st.lists(st.integers(-(2**62), 2**62), min_size=1, max_size=5),
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=5),
)


def read_in_three_formats(rows: list[dict[str, Any]]) -> list[list[Example]]:
    pa = pytest.importorskip("pyarrow", reason="teachback[files] is not installed")
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    tables = [
        read_csv(text.getvalue().encode(), Path("my.csv")).rows,
        read_json_rows(lines.encode(), Path("my.jsonl")).rows,
        rows_of_arrow(pa.Table.from_pylist(rows)),
    ]
    return [
        examples_from_rows(table, f"my.{ending}", ExampleColumns())
        for table, ending in zip(tables, ("csv", "jsonl", "parquet"), strict=True)
    ]


@settings(deadline=None)
@given(
    st.lists(st.tuples(TEXTS, ANSWERS, ANSWERS), min_size=1, max_size=8),
    st.randoms(use_true_random=False),
)
def test_the_same_rows_are_the_same_examples_in_every_format(
    cells: list[tuple[str, str | None, str | None]], random: Any
) -> None:
    rows = [
        {"question": f"{n % 5}: {question}", "answer": answer, "solution": solution}
        for n, (question, answer, solution) in enumerate(cells)
    ]
    as_csv, as_jsonl, as_parquet = read_in_three_formats(rows)
    assert as_csv == as_jsonl == as_parquet
    random.shuffle(as_csv)
    sizes = SplitSizes(dev=1)
    try:
        splits = split_examples(as_jsonl, sizes, key=text_key)
    except DataError:
        return
    assert split_examples(as_csv, sizes, key=text_key) == splits


@given(NUMBERS)
def test_numbers_are_the_same_texts_in_every_format(numbers: list[float]) -> None:
    rows = [{"question": f"{n}?", "answer": a} for n, a in enumerate(numbers)]
    as_csv, as_jsonl, as_parquet = read_in_three_formats(rows)
    assert as_csv == as_jsonl == as_parquet
    assert [one.answer for one in as_csv] == [str(number) for number in numbers]
