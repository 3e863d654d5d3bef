"""A run's rows in each form, read back by what reads that form."""

import csv
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

import teachback
from exporting import ExportedFolder, TrainedRow
from teachback.build.task import make_task
from teachback.commands.write_config import write_config
from teachback.config.reading import make_config
from teachback.export.forms import FORMS
from teachback.init import ColumnPicks, propose_config
from teachback.run.history import read_step
from teachback.testing import fake_run
from teachback.types import Task

DATA_FORMS = [name for name, form in FORMS.items() if form.kind == "data"]
# What `datasets` calls the file.
LOADERS = {"parquet": "parquet", "csv": "csv"}

each_form = pytest.mark.parametrize("form", DATA_FORMS)

# -- what is in the files ------------------------------------------------------------------


def from_turns(
    turns: list[dict[str, str]], role: str = "role", content: str = "content"
) -> TrainedRow:
    """By the names of ChatML or ShareGPT."""
    *first, user, assistant = turns
    assert user[role] in ("user", "human")
    assert assistant[role] in ("assistant", "gpt")
    assert [turn[role] for turn in first] == ["system"] * len(first)
    system = first[0][content] if first else None
    return TrainedRow(system, user[content], assistant[content])


READ_ROW: Mapping[str, Callable[[dict[str, Any]], TrainedRow]] = {
    "messages": lambda row: from_turns(row["messages"]),
    "parquet": lambda row: from_turns(row["messages"]),
    "prompt-completion": lambda row: from_turns([*row["prompt"], *row["completion"]]),
    "sharegpt": lambda row: from_turns(row["conversations"], "from", "value"),
    "alpaca": lambda row: TrainedRow(
        row.get("system"), row["instruction"] + row["input"], row["output"]
    ),
    "csv": lambda row: TrainedRow(row.get("system"), row["question"], row["text"]),
}


def load_by_datasets(form: str, path: Path, cache: Path) -> list[dict[str, Any]]:
    datasets = pytest.importorskip("datasets", reason="teachback[hub] is missing")
    loader = LOADERS.get(form, "json")
    rows = datasets.load_dataset(
        loader, data_files=str(path), split="train", cache_dir=str(cache)
    )
    return list(rows)


@each_form
@pytest.mark.parametrize("meta", [False, True], ids=["bare", "meta"])
def test_datasets_reads_what_the_student_was_trained_on(
    form: str, meta: bool, exported: ExportedFolder, tmp_path: Path
) -> None:
    path = exported.export(form, tmp_path, meta=meta)
    assert path == tmp_path / FORMS[form].file_name
    loaded = load_by_datasets(form, path, tmp_path / "cache")
    assert [READ_ROW[form](row) for row in loaded] == exported.rows
    names = {name for row in loaded for name in row}
    assert ("meta" in names or "prompt_sha256" in names) == meta


@each_form
def test_plain_rows_have_neither_prompt_nor_system_message(
    form: str, exported: ExportedFolder, tmp_path: Path
) -> None:
    path = exported.export(form, tmp_path, plain=True)
    loaded = load_by_datasets(form, path, tmp_path / "cache")
    assert [READ_ROW[form](row) for row in loaded] == exported.plain_rows
    assert exported.plain_rows != exported.rows


@each_form
def test_the_same_run_gives_the_same_bytes(
    form: str, exported: ExportedFolder, tmp_path: Path
) -> None:
    first, again = (
        exported.export(form, tmp_path / name, meta=True) for name in ("a", "b")
    )
    assert first.read_bytes() == again.read_bytes()
    assert sorted(tmp_path.iterdir()) == [first, again]


def test_a_cell_of_the_table_is_the_text_and_no_escaped_one(
    exported: ExportedFolder, tmp_path: Path
) -> None:
    path = exported.export("csv", tmp_path)
    with path.open(newline="", encoding="utf-8") as file:
        rows = [TrainedRow(**row) for row in map(rename_question, csv.DictReader(file))]
    assert rows == exported.rows
    assert '=HYPERLINK("http://127.0.0.1")' in {row.text for row in rows}


def rename_question(row: dict[str, str]) -> dict[str, str]:
    return {"message" if name == "question" else name: row[name] for name in row}


def test_options_of_the_chat_template_come_with_each_row(tmp_path: Path) -> None:
    options = {"enable_thinking": False}
    student = {"model": "smollm2-135m", "chat_template_kwargs": options}
    fake_run(tmp_path / "run", rounds=1, student=student)
    for form in ("messages", "prompt-completion", "parquet"):
        path = teachback.export(tmp_path / "run", to=form, out=tmp_path).out
        rows = load_by_datasets(form, path, tmp_path / "cache")
        assert {str(row["chat_template_kwargs"]) for row in rows} == {str(options)}


# -- back into teachback -------------------------------------------------------------------


@each_form
def test_init_reads_the_same_questions_and_solutions(
    form: str, plain_run: ExportedFolder, tmp_path: Path
) -> None:
    path = plain_run.export(form, tmp_path, plain=True)
    task = propose_task(path, tmp_path / "my.yaml")
    rows = [*task.seeds, *task.dev, *task.test]
    read = {(row.question, row.solution) for row in rows}
    assert read == {row[1:] for row in plain_run.plain_rows}


def propose_task(path: Path, config: Path, **options: Any) -> Task:
    """Every row of the file, by the config that `init` writes."""
    proposal = propose_config(path, config, lambda guess: guess.graders[0], **options)
    write_config(proposal.text, config)
    return read_every_row(config)


def read_every_row(config: Path) -> Task:
    tree = yaml.safe_load(config.read_text(encoding="utf-8"))
    tree["task"] |= {"n_seeds": None, "n_dev": 1, "n_test": None}
    return make_task(make_config(tree, base=config.parent).task)


def test_a_table_with_meta_says_which_column_to_name(
    plain_run: ExportedFolder, tmp_path: Path
) -> None:
    path = plain_run.export("csv", tmp_path, plain=True, meta=True)
    picks = ColumnPicks((), None, "text", (), None)
    task = propose_task(path, tmp_path / "my.yaml", picks=picks)
    rows = [*task.seeds, *task.dev, *task.test]
    read = {(row.question, row.solution) for row in rows}
    assert read == {row[1:] for row in plain_run.plain_rows}


@pytest.mark.parametrize("meta", [False, True], ids=["bare", "meta"])
def test_another_run_starts_from_an_exported_table(
    meta: bool, exported: ExportedFolder, tmp_path: Path
) -> None:
    path = exported.export("csv", tmp_path, plain=True, meta=meta)
    fake_run(tmp_path / "next", rounds=1, rows=str(path))
    given = read_step(tmp_path / "next" / "round-00", "given")
    read = sorted(TrainedRow(None, row.question, row.text) for row in given)
    assert read == sorted(exported.plain_rows)
