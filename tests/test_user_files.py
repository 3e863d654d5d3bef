"""Files as users have them: `init` takes each one, with the meaning that its rows have."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from teachback.build.task import make_task
from teachback.commands.write_config import write_config
from teachback.config.reading import make_config
from teachback.errors import DataError
from teachback.init import ColumnPicks, propose_config
from teachback.types import Example, Task

FILES = Path(__file__).parent / "user_files"
KG = "Convert 293 kg to pounds. Round to two decimals."
STEPS = "1 kg is 2.20462 pounds. 293 x 2.20462 = 645.95.\nAnswer: 645.95"
OPTIONS = "\n(A) 652.95\n(B) 322.98\n(C) 645.95\n(D) 710.55"
SQL = "SELECT id FROM customers WHERE total > 969;"
PLAIN = (KG, "645.95", None, "number")

# file → the question, answer and solution of one row, and the grader
MEANINGS: dict[str, tuple[str, str, str | None, str]] = {
    "alpaca.json": PLAIN,
    "alpaca.jsonl": PLAIN,
    "latin.csv": ("Wie groß ist Stück 7?", "7", None, "number"),
    "listans.jsonl": PLAIN,
    "mc_arc.jsonl": (KG + OPTIONS, "C", None, "choice"),
    "mc_cols.jsonl": (KG + OPTIONS, "C", None, "choice"),
    "mc_inline.jsonl": (KG + OPTIONS, "C", None, "choice"),
    "mc_list.jsonl": (KG + OPTIONS, "C", None, "choice"),
    "messages.jsonl": (KG, "645.95", STEPS, "number"),
    "odd.jsonl": PLAIN,
    "prompt_completion_chat.jsonl": (KG, "645.95", STEPS, "number"),
    "sharegpt.jsonl": (KG, "645.95", STEPS, "number"),
    "sql.jsonl": (
        "Write SQL: the id of all customers whose total is above 969.",
        SQL,
        None,
        "exact",
    ),
    "squad.jsonl": (
        f"A kilometre is 0.621371 miles.\n\n{KG}",
        "645.95",
        None,
        "number",
    ),
    "units.csv": PLAIN,
    "units.json": PLAIN,
    "units.jsonl.gz": PLAIN,
    "units.parquet": PLAIN,
    "units.tsv": PLAIN,
    "units_cot.jsonl": (KG, "645.95", STEPS, "number"),
}
# What is the same in all rows is said once, above every question.
SHARED_TEXTS = {
    "alpaca.json": "Convert the quantity. Give two decimals.",
    "alpaca.jsonl": "Convert the quantity. Give two decimals.",
    "messages.jsonl": "You convert units.",
}


def propose_task(
    path: Path, tmp_path: Path, **options: Any
) -> tuple[Task, tuple[str, ...]]:
    """The task of the config that `init` writes, and what it said."""
    config_path = tmp_path / "my.yaml"
    proposal = propose_config(
        path, config_path, lambda guess: guess.graders[0], **options
    )
    return write_config(proposal.text, config_path), proposal.summary


def all_examples(task: Task) -> list[Example]:
    return [*task.seeds, *task.dev, *task.test]


def needs_pyarrow(name: str) -> None:
    if name.endswith((".parquet", ".arrow", ".zst")):
        pytest.importorskip("pyarrow", reason="teachback[files] is not installed")


@pytest.mark.parametrize("name", MEANINGS)
def test_each_file_has_its_meaning(name: str, tmp_path: Path) -> None:
    needs_pyarrow(name)
    question, answer, solution, grader = MEANINGS[name]
    task, summary = propose_task(FILES / name, tmp_path)
    text = (tmp_path / "my.yaml").read_text(encoding="utf-8")
    assert f"  grader: {grader} " in text
    # All rows, so that the one above is among them.
    rows = read_all(tmp_path)
    (row,) = [one for one in rows if one.question == question]
    assert (row.answer, row.solution) == (answer, solution)
    prompt = task.prompt(row.question)
    assert prompt.startswith(SHARED_TEXTS.get(name, ""))
    assert prompt.endswith(question)
    assert task.grade(row, f"So.\nAnswer: {answer}").outcome == "right"
    assert ("read as Latin-1" in " ".join(summary)) == (name == "latin.csv")


def read_all(folder: Path) -> list[Example]:
    """Every row, by the columns of the config."""
    tree = yaml.safe_load((folder / "my.yaml").read_text(encoding="utf-8"))
    tree["task"] |= {"n_seeds": None, "n_dev": 1, "n_test": None}
    return all_examples(make_task(make_config(tree, base=folder).task))


def test_all_files_that_users_sent(tmp_path: Path) -> None:
    """The originals, of which the files above are the first rows."""
    folder = Path(os.environ.get("TEACHBACK_DATA", "nowhere")).parent / "cases/files"
    if not folder.is_dir():
        pytest.skip("TEACHBACK_DATA is not set")
    for path in sorted(folder.iterdir()):
        if path.name == "latin.csv":
            with pytest.raises(DataError, match="too few answered rows"):
                propose_task(path, tmp_path)
            continue
        task, _ = propose_task(path, tmp_path)
        assert len(all_examples(task)) == 188


ROWS: dict[str, tuple[Callable[[int], dict[str, Any]], str, str | None, str | None]] = {
    # Questions and answers under other names.
    "German": (
        lambda i: {"Aufgabe": f"Was ist {i}?", "Ergebnis": i},
        "Was ist 7?",
        "7",
        None,
    ),
    "French": (
        lambda i: {"énoncé": f"Combien {i} ?", "réponse": f"{i}"},
        "Combien 7 ?",
        "7",
        None,
    ),
    "Russian": (lambda i: {"Вопрос": f"Что {i}?", "Ответ": i}, "Что 7?", "7", None),
    "Chinese": (
        lambda i: {"问题": f"{i}是多少?", "答案": f"{i}"},
        "7是多少?",
        "7",
        None,
    ),
    "no names": (
        lambda i: {"x": f"How much is {i}?", "y": f"{i * 3}", "n": i},
        "How much is 7?",
        "21",
        None,
    ),
    "SQL": (
        lambda i: {"nl": f"Get row {i} please", "code": f"SELECT {i}"},
        "Get row 7 please",
        "SELECT 7",
        None,
    ),
    "nested": (
        lambda i: {
            "question": {"stem": f"q{i}?"},
            "answer": {"value": f"v{i}", "aliases": ["x"]},
        },
        "q7?",
        "v7",
        None,
    ),
    "CREATE TABLE": (
        lambda i: {
            "answer": f"SELECT {i}",
            "question": f"Get {i}",
            "context": f"CREATE TABLE t{i}",
        },
        "CREATE TABLE t7\n\nGet 7",
        "SELECT 7",
        None,
    ),
    "text completion": (
        lambda i: {"prompt": f"q{i}", "completion": f"So.\nAnswer: {i}"},
        "q7",
        "7",
        "So.\nAnswer: 7",
    ),
    # Instructions.
    "instructions": (
        lambda i: {
            "instruction": f"Add {i}.",
            "input": "" if i % 2 else f"in {i}",
            "output": f"{i}",
        },
        "Add 7.",
        "7",
        None,
    ),
    "instructions with input": (
        lambda i: {
            "instruction": f"Add {i}.",
            "input": f"in {i}" if i % 2 else "",
            "output": f"{i}",
        },
        "Add 7.\n\nin 7",
        "7",
        None,
    ),
    # Chats.
    "chat answer": (
        lambda i: {"messages": chat(("user", f"q{i}"), ("assistant", f"{i}"))},
        "q7",
        "7",
        None,
    ),
    "several turns": (
        lambda i: {
            "messages": chat(
                ("user", "Hi"),
                ("assistant", "Ho"),
                ("user", f"q{i}"),
                ("assistant", f"{i}"),
            )
        },
        "User: Hi\n\nAssistant: Ho\n\nUser: q7",
        "7",
        None,
    ),
    "systems": (
        lambda i: {
            "messages": chat(
                ("system", f"S{i}"), ("user", f"q{i}"), ("assistant", f"{i}")
            )
        },
        "S7\n\nq7",
        "7",
        None,
    ),
    "parts": (
        lambda i: {
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": f"q{i}"}]}
            ],
            "answer": i,
        },
        "q7",
        "7",
        None,
    ),
    "human first": (
        lambda i: {
            "conversations": [
                {"from": "gpt", "value": "Hello"},
                {"from": "human", "value": f"q{i}"},
                {"from": "gpt", "value": f"{i}"},
            ]
        },
        "Assistant: Hello\n\nUser: q7",
        "7",
        None,
    ),
    "chat and gold": (
        lambda i: {
            "messages": chat(("user", f"q{i}"), ("assistant", f"Long way to {i}.")),
            "answer": i,
        },
        "q7",
        "7",
        "Long way to 7.",
    ),
    "preference": (
        lambda i: {
            "chosen": chat(("user", f"q{i}"), ("assistant", f"{i}")),
            "rejected": chat(("user", f"q{i}"), ("assistant", "no")),
        },
        "q7",
        "7",
        None,
    ),
    # Multiple choice.
    "labelled objects": (
        lambda i: {
            "question": {
                "stem": f"q{i}",
                "choices": [{"label": "ABC"[k], "text": f"t{k}"} for k in range(3)],
            },
            "answerKey": "B",
        },
        "q7\n(A) t0\n(B) t1\n(C) t2",
        "B",
        None,
    ),
    "number labels": (
        lambda i: {
            "question": f"q{i}",
            "choices": {"text": ["x", "y"], "label": ["1", "2"]},
            "answerKey": "2",
        },
        "q7\n(A) x\n(B) y",
        "B",
        None,
    ),
    "letters as keys": (
        lambda i: {
            "question": f"q{i}",
            "options": {"A": "x", "B": "y", "C": "z"},
            "answer": "C",
        },
        "q7\n(A) x\n(B) y\n(C) z",
        "C",
        None,
    ),
    "place from 1": (
        lambda i: {
            "sentence": f"q{i} _",
            "option1": "x",
            "option2": "y",
            "answer": str(1 + i % 2),
        },
        "q7 _\n(A) x\n(B) y",
        "B",
        None,
    ),
    "place as text": (
        lambda i: {
            "ctx": f"Ann {i} walks and",
            "endings": ["x", "y", "z"],
            "label": str(i % 3),
        },
        "Ann 7 walks and\n(A) x\n(B) y\n(C) z",
        "B",
        None,
    ),
    "its text": (
        lambda i: {
            "question": f"q{i}",
            "choices": ["Rome", "Oslo"],
            "answer": ["Rome", "Oslo"][i % 2],
        },
        "q7\n(A) Rome\n(B) Oslo",
        "B",
        None,
    ),
    "own letters": (
        lambda i: {
            "question": f"q{i}",
            "options": ["A)7", "B)8"],
            "rationale": "It is so.",
            "correct": "A",
        },
        "q7\n(A) 7\n(B) 8",
        "A",
        "It is so.",
    ),
    "fewer options": (
        lambda i: {
            "question": f"q{i}",
            "opa": "x",
            "opb": "y",
            "opc": None if i == 7 else "z",
            "cop": i % 2,
        },
        "q7\n(A) x\n(B) y",
        "B",
        None,
    ),
}


def chat(*turns: tuple[str, str]) -> list[dict[str, str]]:
    return [{"role": role, "content": content} for role, content in turns]


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text(
        "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows),
        encoding="utf-8",
    )
    return path


@pytest.mark.parametrize("kind", ROWS)
def test_rows_of_each_kind_are_recognised_by_what_they_hold(
    kind: str, tmp_path: Path
) -> None:
    make_row, question, answer, solution = ROWS[kind]
    path = write_rows(tmp_path / "my.jsonl", [make_row(i) for i in range(40)])
    propose_task(path, tmp_path)
    examples = {one.question: one for one in read_all(tmp_path)}
    assert question in examples
    assert (examples[question].answer, examples[question].solution) == (
        answer,
        solution,
    )


def test_the_right_option_has_no_place_of_its_own(tmp_path: Path) -> None:
    """Beside its distractors, the right answer would be (A) in every row."""
    rows = [
        {
            "question": f"Which gas is number {i}?",
            "distractor1": f"x{i}",
            "distractor2": f"y{i}",
            "correct_answer": f"z{i}",
        }
        for i in range(60)
    ]
    propose_task(write_rows(tmp_path / "my.jsonl", rows), tmp_path)
    examples = read_all(tmp_path)
    assert {example.answer for example in examples} == {"A", "B", "C"}
    for example in examples:
        (line,) = [one for one in example.question.split("\n") if "z" in one[4:5]]
        assert line.startswith(f"({example.answer}) z")


@pytest.mark.parametrize(
    ("make_row", "message"),
    [
        (
            lambda i: {"a text": f"one two three {i}", "b": f"four five six {i}"},
            r"question is not clear(.|\n)*fix: name it: teachback init \S+ --question COLUMN",
        ),
        (
            lambda i: {"question": f"q{i}", "left": f"x {i}", "right": f"y {i}"},
            r"answer is not clear(.|\n)*--question question --answer COLUMN",
        ),
        (
            lambda i: {
                "question": f"q{i}",
                "options": list("wxyz"),
                "answer": 1 + i % 3,
            },
            r"not clear which of them is right(.|\n)*--answer answer --correct index "
            r"\(index or number\)",
        ),
        (
            lambda i: {"question": f"q{i}", "choices": ["x", "y"]},
            r"not clear which of them is right(.|\n)*--answer COLUMN --correct HOW",
        ),
        (
            lambda i: {"messages": chat(("user", f"q{i}"), ("tool", "x"))},
            r"has a turn by 'tool'\n  allowed: texts of a system, a user and an assistant",
        ),
        (
            lambda i: {"question": f"q{i}", "answer": f"a\nb {i}"},
            "there is --grader judge",
        ),
        (
            lambda i: {"question": f"q{i}"},
            r"no row has an answer(.|\n)*--answer COLUMN",
        ),
    ],
)
def test_what_is_not_clear_is_refused_with_the_command(
    make_row: Callable[[int], dict[str, Any]], message: str, tmp_path: Path
) -> None:
    path = write_rows(tmp_path / "my.jsonl", [make_row(i) for i in range(40)])
    with pytest.raises(DataError, match=message):
        propose_task(path, tmp_path)


def test_the_command_that_it_names_does_it(tmp_path: Path) -> None:
    rows = [
        {"question": f"q{i}", "options": list("wxyz"), "answer": 1 + i % 3}
        for i in range(40)
    ]
    path = write_rows(tmp_path / "my.jsonl", rows)
    propose_task(path, tmp_path, picks=ColumnPicks(answer="answer", correct="number"))
    examples = {one.question[:2]: one for one in read_all(tmp_path)}
    assert examples["q1"].answer == "B"


def test_free_words_get_a_judge(tmp_path: Path) -> None:
    rows = [
        {"question": f"Tell of {i}.", "answer": f"Once\nthere was {i}."}
        for i in range(40)
    ]
    path = write_rows(tmp_path / "my.jsonl", rows)
    task, _ = propose_task(path, tmp_path, grader="judge")
    text = (tmp_path / "my.yaml").read_text()
    assert "\njudge: " in text
    assert task.target(task.seeds[0]) == task.seeds[0].answer


def test_passages_that_rows_share_are_no_copies(tmp_path: Path) -> None:
    rows = [
        {
            "context": f"This passage number {i % 4} has a good many words that questions share.",
            "question": f"What does it say of {i}?",
            "answer": f"it says {i}",
        }
        for i in range(40)
    ]
    task, _ = propose_task(write_rows(tmp_path / "my.jsonl", rows), tmp_path)
    assert task.templated


def test_a_folder_is_divided_by_its_files_names(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    (folder / "data").mkdir(parents=True)
    for name, start, n in (
        ("data/train-0.jsonl", 0, 40),
        ("data/train-1.jsonl", 40, 40),
        ("data/test-0.jsonl", 80, 20),
        ("data/.hidden.jsonl", 0, 5),
    ):
        rows = [{"question": f"q{i}", "answer": i} for i in range(start, start + n)]
        write_rows(folder / name, rows)
    (folder / "README.md").write_text("About.", encoding="utf-8")
    (folder / "dataset_infos.json").write_text("{}", encoding="utf-8")
    task, _ = propose_task(folder, tmp_path)
    assert {int(str(one.answer)) // 20 for one in task.test} == {4}
    assert max(int(str(one.answer)) for one in (*task.seeds, *task.dev)) < 80
    text = (tmp_path / "my.yaml").read_text()
    assert "  seeds: set/data/train*\n" in text


def test_a_data_set_on_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets", reason="teachback[hub] is not installed")
    rows = [{"question": f"q{i}", "answer": {"text": [f"{i}"]}} for i in range(60)]
    monkeypatch.setattr(
        datasets, "get_dataset_config_names", lambda name: ["main", "other"]
    )
    monkeypatch.setattr(
        datasets, "get_dataset_split_names", lambda name, config: ["train", "test"]
    )
    monkeypatch.setattr(
        datasets,
        "load_dataset",
        lambda name, config, split, revision: (
            rows[:40] if split == "train" else rows[40:]
        ),
    )
    path = Path("somebody/questions")
    with pytest.raises(DataError, match="--subset main"):
        propose_task(path, tmp_path)
    task, _ = propose_task(path, tmp_path, subset="main")
    text = (tmp_path / "my.yaml").read_text()
    assert "  name: hub\n  dataset: somebody/questions" in text
    assert "  config: main\n  seeds: train\n" in text
    assert {int(str(one.answer)) // 20 for one in task.test} == {2}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["plain", "chat"])
def test_200_000_rows_take_seconds(kind: str, tmp_path: Path) -> None:
    """CPU seconds, since the machine may do other things at the same time."""
    rows: list[dict[str, Any]] = []
    for i in range(200_000):
        question = (
            f"A shop sells {i} apples on Monday and {i % 977} on Tuesday. How many?"
        )
        solution = f"On both days it sells {i} + {i % 977}.\n#### {i + i % 977}"
        plain = {"question": question, "answer": i + i % 977, "solution": solution}
        turns = chat(("system", "Add."), ("user", question), ("assistant", solution))
        rows.append({"messages": turns} if kind == "chat" else plain)
    write_rows(tmp_path / "my.jsonl", rows)
    code = (
        "import resource, sys; from teachback.cli import main\n"
        "sys.argv = ['teachback', 'init', 'my.jsonl']\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "use = resource.getrusage(resource.RUSAGE_SELF)\n"
        "print('USED', use.ru_utime + use.ru_stime, use.ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    seconds, kilobytes = done.stdout.split("USED")[1].split()
    print(kind, seconds, kilobytes)
    assert float(seconds) < 20
    assert int(kilobytes) < 1_000_000
