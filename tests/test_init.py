"""What `init` finds in a file: its columns, its grader, its neighbours, and how to split it."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teachback.errors import DataError
from teachback.init.columns import guess_columns
from teachback.init.guess import check_answers, guess_grader
from teachback.init.picks import ColumnPicks
from teachback.init.sizes import share_rows
from teachback.init.survey import survey_file
from teachback.tasks.keys import text_key
from teachback.tasks.table import ExampleColumns, examples_from_rows
from teachback.types import Example

FILES = {
    **dict.fromkeys(
        ["gsm8k_train", "gsm8k_test", "svamp_test", "gsm_hard_test"], "number"
    ),
    **dict.fromkeys(["math_train", "math500_test"], "math"),
    **dict.fromkeys(
        [
            "prontoqa_train",
            "prontoqa_train_branching",
            "prontoqa_test",
            "prontoqa_test_shuffled",
        ],
        "proof",
    ),
    **dict.fromkeys(
        ["prontoqa_test_long", "prontoqa_test_trueontology", "prontoqa_test_branching"],
        "proof",
    ),
    **dict.fromkeys(["game24_train", "game24_test"], "game24"),
    **dict.fromkeys(["prosqa_test", "bbh_logic_test"], "exact"),
    "aqua_test": "choice",
}
OPTIONS = "Which one?\n(A) 3 apples\n(B) a pear\n(C) 7"


def write(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def make_sums(n: int, start: int = 0) -> list[dict[str, Any]]:
    return [
        {"question": f"What is {i} + 2?", "answer": i + 2}
        for i in range(start, start + n)
    ]


def make_examples(
    *pairs: tuple[str, str | None], solution: str | None = None
) -> list[Example]:
    return [
        Example(str(i), question, answer, solution)
        for i, (question, answer) in enumerate(pairs)
    ]


@pytest.mark.parametrize("name", FILES)
def test_every_real_file_gets_its_grader_without_a_question(
    name: str, data: Path
) -> None:
    survey = survey_file(data / f"{name}.jsonl")
    assert survey.columns.question == "question"
    assert survey.columns.answer == "answer"
    assert guess_grader(survey.answered_examples).graders == (FILES[name],)
    check_answers(FILES[name], survey.answered_examples)


def test_every_real_file_is_known(data: Path) -> None:
    assert {path.stem for path in data.glob("*.jsonl")} == FILES.keys()


def test_it_says_what_it_looked_at(data: Path) -> None:
    survey = survey_file(data / "gsm8k_train.jsonl")
    (evidence,) = guess_grader(survey.answered_examples).evidence
    assert evidence == "7,173 of 7,173 answers are numbers"
    survey = survey_file(data / "bbh_logic_test.jsonl")
    (evidence,) = guess_grader(survey.answered_examples).evidence
    assert "750 letters, 500 words, 250 numbers" in evidence


@pytest.mark.parametrize(
    ("pairs", "solution", "graders"),
    [
        ([("q", "$1,000"), ("r", "-5"), ("s", "3/4")], None, ("number",)),
        ([("q", "5"), ("r", "7")], r"so \boxed{5}", ("number", "math")),
        ([("q", "5"), ("r", r"\frac{1}{2}")], None, ("number", "math")),
        ([("q", "5"), ("r", r"\sqrt{2}")], None, ("math",)),
        ([("q", "2x + 1"), ("r", "x = y")], None, ("math", "exact")),
        ([("q", "well-being"), ("r", "and/or")], None, ("exact",)),
        ([("q", "5"), ("r", "none")], None, ("exact",)),
        ([(OPTIONS, "B"), (OPTIONS, "(C)")], None, ("choice",)),
        ([(OPTIONS, "a pear")], None, ("choice",)),
        ([(OPTIONS, "7")], None, ("choice", "number")),
        ([(OPTIONS, "B"), (OPTIONS, "D")], None, ("exact",)),
        ([("Which one?", "B")], None, ("exact",)),
        ([("1 2 3 4", "24"), ("4, 6, 1, 1", "4 * 6 * 1 * 1 = 24")], None, ("game24",)),
        ([("1 2 3 4", "10")], None, ("number",)),
        ([("4 6 1 1", "4 * 6")], None, ("math", "exact")),
        (
            [("Max is a cat. Cats are red.\nTrue or false: Max is red.", "True")],
            "Max is red.",
            ("proof",),
        ),
        (
            [("Max is a cat. Cats are red.\nTrue or false: Max is red.", "True")],
            None,
            ("proof", "exact"),
        ),
        (
            [("Max is a cat, I think.\nTrue or false: Max is red.", "True")],
            None,
            ("exact",),
        ),
    ],
)
def test_graders(
    pairs: list[tuple[str, str]], solution: str | None, graders: tuple[str, ...]
) -> None:
    guess = guess_grader(make_examples(*pairs, solution=solution))
    assert guess.graders == graders
    assert all(guess.evidence)


def test_answers_that_no_grader_reads_are_named() -> None:
    with pytest.raises(
        DataError, match=r"1 of 2 answers can't be read by the grader exact\n.*1: 'two"
    ):
        guess_grader(make_examples(("q", "one"), ("r", "two\nlines")))
    with pytest.raises(DataError, match="no row has an answer"):
        guess_grader(make_examples(("q", None)))
    with pytest.raises(
        DataError, match="1 of 2 answers can't be read by the grader number"
    ):
        check_answers("number", make_examples(("q", "5"), ("r", "five")))


@pytest.mark.parametrize(
    ("row", "columns"),
    [
        (
            lambda i: {"Problem": f"q{i}", "Final Answer": i, "rationale": "so"},
            ExampleColumns("Problem", "Final Answer", "rationale", None),
        ),
        (
            lambda i: {"question": f"q{i}", "answer": f"So 4.\n#### {i}"},
            ExampleColumns("question", None, "answer", None),
        ),
        (
            lambda i: {"problem": f"q{i}", "solution": rf"So \boxed{{{i}}}"},
            ExampleColumns("problem", None, "solution", None),
        ),
        (
            lambda i: {"prompt": f"q{i}", "response": f"Since.\nAnswer: {i}"},
            ExampleColumns("prompt", None, "response", None),
        ),
        (
            lambda i: {"prompt": f"q{i}", "response": "yes"},
            ExampleColumns("prompt", "response", None, None),
        ),
        (
            lambda i: {"question": f"q{i}", "answer": f"So.\n#### {i}", "gold": i},
            ExampleColumns("question", "gold", "answer", None),
        ),
        (
            lambda i: {"instruction": "Add.", "input": f"q{i}", "output": i},
            ExampleColumns("input", "output", None, None),
        ),
        (
            lambda i: {"text": f"q{i}", "label": True, "id": f"a-{i}"},
            ExampleColumns("text", "label", None, "id"),
        ),
        (
            lambda i: {"question": f"q{i}", "answer": i, "id": i // 2},
            ExampleColumns("question", "answer", None, None),
        ),
        (
            lambda i: {"question": f"q{i}", "answer": [i], "target": i},
            ExampleColumns("question", "target", None, None),
        ),
        (
            lambda i: {"query": f"q{i}", "output": "word " * 50, "label": i},
            ExampleColumns("query", "label", "output", None),
        ),
        (
            lambda i: {"query": f"q{i}", "rationale": "word " * 50},
            ExampleColumns("query", None, "rationale", None),
        ),
        (
            lambda i: {"query": f"q{i}", "label": 2, "answer": i},
            ExampleColumns("query", "answer", None, None),
        ),
        (lambda i: {"question": f"q{i}"}, ExampleColumns("question", None, None, None)),
    ],
)
def test_columns_by_other_names(
    row: Callable[[int], dict[str, Any]], columns: ExampleColumns
) -> None:
    rows = [row(i) for i in range(10)]
    guess = guess_columns(rows, "my.jsonl")
    assert guess.columns == columns
    examples_from_rows(rows, "my.jsonl", guess.columns)


def test_columns_that_were_named_are_taken_as_they_are() -> None:
    rows = [{"frage": "q", "question": "r", "antwort": 5, "answer": 6}]
    guess = guess_columns(rows, "my.jsonl", ColumnPicks(("frage",), "antwort"))
    assert guess.columns.question == "frage"
    assert guess.columns.answer == "antwort"
    with pytest.raises(
        DataError, match=r"no column 'fragen'\n  got: frage, question, antwort, answer"
    ):
        guess_columns(rows, "my.jsonl", ColumnPicks(("fragen",)))


def test_a_named_column_that_is_empty_is_refused() -> None:
    rows = [{"question": "1 + 1?", "answer": None}, {"question": "1 + 2?"}]
    with pytest.raises(DataError, match="'answer' is empty in every row"):
        guess_columns(rows, "my.jsonl", ColumnPicks(answer="answer"))


def test_what_the_student_does_not_see_is_said() -> None:
    rows = [
        {"question": f"q{i}", "options": ["a", "b"], "input": "context", "answer": "A"}
        for i in range(3)
    ]
    guess = guess_columns(rows, "my.jsonl")
    assert guess.columns.options == ("options",)
    assert any("not 'input'" in note for note in guess.notes)
    (note,) = guess_columns(
        [{"question": "q", "answer": "word " * 50}], "my.jsonl"
    ).notes
    assert "word for word" in note


ANSWERS = [
    "#### 5",
    r"\boxed{3}",
    "(A)",
    "24",
    "Answer: x",
    "x+1",
    r"\frac12",
    "True",
    "5",
    "7",
    "yes",
    "4*6",
    "",
]
VALUES = st.one_of(
    st.sampled_from(ANSWERS),
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(max_size=9),
    st.just([1]),
)
QUESTIONS = st.one_of(
    st.sampled_from(
        ["1 2 3 4", OPTIONS, "Max is a cat.\nTrue or false: Max is a cat.", "How many?"]
    ),
    st.text(max_size=9).map(lambda text: f"{text}?"),
)
NAMES = st.sampled_from(
    ["answer", "label", "output", "solution", "response", "Problem", "id", "meta", "x"]
)
ROWS = st.sets(NAMES, max_size=4).flatmap(
    lambda names: st.lists(
        st.fixed_dictionaries({"question": QUESTIONS, **dict.fromkeys(names, VALUES)}),
        max_size=4,
    )
)


@given(ROWS)
def test_random_rows_are_guessed_or_refused(rows: list[dict[str, Any]]) -> None:
    """Nothing but a DataError, whatever the file holds; and what is guessed can be read."""
    try:
        columns = guess_columns(rows, "my.jsonl").columns
        examples = examples_from_rows(rows, "my.jsonl", columns)
        graders = guess_grader(examples).graders
    except DataError:
        return
    for grader in graders:
        check_answers(grader, examples)


@pytest.mark.parametrize(
    ("file", "other", "part"),
    [
        ("my.jsonl", "my_test.jsonl", "test"),
        ("my_train.jsonl", "my_test.jsonl", "test"),
        ("train.jsonl", "validation.jsonl", "dev"),
        ("my-train-v2.jsonl", "my-dev-v2.jsonl", "dev"),
        ("train.jsonl", "my_test.jsonl", None),
        ("my_test.jsonl", "my_dev.jsonl", None),
        ("strain.jsonl", "stest.jsonl", None),
    ],
)
def test_files_beside_it(
    file: str, other: str, part: str | None, tmp_path: Path
) -> None:
    write(tmp_path / other, make_sums(12, start=500))
    survey = survey_file(write(tmp_path / file, make_sums(40)))
    files = {"dev": survey.dev, "test": survey.test}
    names_by_split = {split: file.path.name for split, file in files.items() if file}
    assert names_by_split == ({part: other} if part else {})
    assert ("is for measuring" in " ".join(survey.notes)) == (file == "my_test.jsonl")


def test_a_file_beside_it_that_can_not_measure_is_left_with_a_note(
    tmp_path: Path,
) -> None:
    write(tmp_path / "my_test.jsonl", [*make_sums(12), {"question": "open"}])
    (tmp_path / "my_dev.jsonl").write_text("no json\n", encoding="utf-8")
    survey = survey_file(write(tmp_path / "my.jsonl", make_sums(40)))
    assert (survey.dev, survey.test) == (None, None)
    assert any(
        "my_test.jsonl lies beside it and is not used: 1 rows without an answer" in n
        for n in survey.notes
    )
    assert any("my_dev.jsonl, line 1: not JSON" in n for n in survey.notes)


@pytest.mark.parametrize("n", [30, 31, 45, 59, 60, 99, 150, 299, 300, 2000])
def test_shares_leave_a_reserve_and_share_no_question(n: int, tmp_path: Path) -> None:
    rows = [*make_sums(n), *make_sums(3)]  # some of them twice
    shares = share_rows(survey_file(write(tmp_path / "my.jsonl", rows)))
    assert len(shares.reserve) >= shares.n_pairs
    assert shares.per_round <= len(shares.splits.seeds)
    assert len(shares.splits.dev) >= 8
    parts = [shares.splits.seeds, shares.splits.dev, shares.splits.test, shares.reserve]
    keys = [text_key(e.question) for part in parts for e in part]
    assert len(keys) == len(set(keys)) == n


def test_few_answers_are_kept_for_measuring(tmp_path: Path) -> None:
    rows = [*make_sums(35), *({"question": f"Why {i}?"} for i in range(400))]
    shares = share_rows(survey_file(write(tmp_path / "my.jsonl", rows)))
    assert len(shares.splits.dev) == 35
    assert shares.splits.test == ()
    assert shares.reserve == ()
    with pytest.raises(
        DataError, match=r"too few answered rows.*\n  got: 29 different ones of 429"
    ):
        share_rows(survey_file(write(tmp_path / "my.jsonl", rows[6:])))


def test_fields_that_tell_rows_of_dev_and_test_apart(tmp_path: Path) -> None:
    rows = [
        {
            **row,
            "meta": {"kind": i % 3, "same": 1, "own": i},
            "level": f"l{i % 2}",
            "x": i % 2 / 2,
        }
        for i, row in enumerate(make_sums(300))
    ]
    assert share_rows(survey_file(write(tmp_path / "my.jsonl", rows))).by == (
        "kind",
        "level",
    )
    rows = [
        {**row, "meta": {"few": i % 2, "many": i % 12}}
        for i, row in enumerate(make_sums(60))
    ]
    assert share_rows(survey_file(write(tmp_path / "my.jsonl", rows))).by == ("few",)
