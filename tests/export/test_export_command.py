"""`teachback export`: what it says, what it refuses, and runs that have nothing to export."""

import csv
import json
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import teachback
from commands import command
from exporting import ExportedFolder
from teachback.errors import ConfigError, InputsChanged, MissingPackages
from teachback.export.forms import FORMS
from teachback.run.digests import commit_with_digest, read_committed
from teachback.run.files import to_json_bytes
from teachback.testing import fake_run
from teachback.types import Curation, Rejection

ROOT = Path(__file__).parents[2]


def test_the_command_prints_what_it_wrote(
    exported: ExportedFolder, tmp_path: Path
) -> None:
    words = ("export", exported.folder, "--to", "messages", "--out", tmp_path)
    done = command(*words)
    path = tmp_path / "messages.jsonl"
    assert done == (
        0,
        f"14 rows in {path}: 6 that were there from the start, 8 of 2 finished rounds\n",
        "",
    )
    again = command(*words)
    assert again.returncode == 2
    assert f"{path} is there already" in again.stderr
    path.write_text("mine")
    facts = json.loads(command(*words, "--force", "--json").stdout)
    assert facts == {
        "form": "messages",
        "out": str(path),
        "rounds": 2,
        "rows": 14,
        "is_run_open": False,
        "lines": [done.stdout.strip()],
    }
    assert len(path.read_bytes().split(b"\n")) == 15


def test_the_help_and_the_guide_have_every_form() -> None:
    help = command("export", "--help").stdout
    guide = (ROOT / "docs/guides/export.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w-]+)` \| (\w+) \| (.*?) \|", guide, re.MULTILINE)
    assert rows == [(name, form.kind, form.writes) for name, form in FORMS.items()]
    for name, form in FORMS.items():
        assert re.search(rf"^  +{name} +{re.escape(form.writes)}$", help, re.MULTILINE)


def test_a_result_shows_itself(exported: ExportedFolder, tmp_path: Path) -> None:
    export = teachback.export(exported.folder, to="csv", out=tmp_path)
    assert repr(export).startswith(f"<Export: 14 rows in {tmp_path / 'rows.csv'}: ")


# -- runs that have less -------------------------------------------------------------------


@pytest.fixture
def copied(plain_run: ExportedFolder, tmp_path: Path) -> Path:
    folder = tmp_path / "copied"
    return Path(shutil.copytree(plain_run.folder, folder))


def remove_step(folder: Path, name: str) -> None:
    for path in folder.glob(f"{name}.json*"):
        path.unlink()


def test_a_run_under_way_gives_its_finished_rounds(
    copied: Path, plain_run: ExportedFolder, tmp_path: Path
) -> None:
    remove_step(copied / "round-01", "evaluate")
    words = ("export", copied, "--to", "messages", "--out", tmp_path / "rows.jsonl")
    done = command(*words)
    assert done.returncode == 0
    assert "round 1 is under way, and its rows are not in the file" in done.stdout
    lines = (tmp_path / "rows.jsonl").read_bytes().splitlines()
    read = [json.loads(line)["messages"][-1]["content"] for line in lines]
    assert 0 < len(read) < len(plain_run.rows)
    assert read == [row.text for row in plain_run.rows[: len(read)]]


def test_a_run_without_a_finished_round_says_so(copied: Path, tmp_path: Path) -> None:
    remove_step(copied / "round-00", "evaluate")
    with pytest.raises(ConfigError, match="no finished round; next step: evaluate"):
        teachback.export(copied, to="csv", out=tmp_path / "rows.csv")
    assert not (tmp_path / "rows.csv").exists()


def test_a_run_whose_drafts_were_all_refused_says_why(
    copied: Path, tmp_path: Path
) -> None:
    for path in copied.glob("round-*/curate.json"):
        curation = read_committed(path, Curation)
        refused = [Rejection(row.seed, row.n, "wrong: 3") for row in curation.rows]
        content = to_json_bytes(replace(curation, rows=(), rejected=tuple(refused)))
        commit_with_digest(path, content)
    with pytest.raises(ConfigError, match=r"2 finished rounds, all refused: \d+ wrong"):
        teachback.export(copied, to="csv", out=tmp_path / "rows.csv")


def test_a_comparison_names_its_runs(copied: Path, tmp_path: Path) -> None:
    root = tmp_path / "comparison"
    (root / "repeat-0").mkdir(parents=True)
    copied.rename(root / "repeat-0" / "loss")
    (root / "comparison.json").write_text('{"format": 2}')
    with pytest.raises(ConfigError, match=r"is a comparison.*\n.*repeat-0/loss"):
        teachback.export(root, to="csv", out=tmp_path / "rows.csv")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--to", "jsonl"), "allowed: messages, prompt-completion, "),
        (("--to", "csv"), "no run in "),
    ],
    ids=["an unknown form", "no run"],
)
def test_wrong_input_is_one_message(
    words: tuple[str, ...], message: str, plain_run: ExportedFolder, tmp_path: Path
) -> None:
    folder = plain_run.folder if "jsonl" in words else tmp_path
    done = command("export", folder, *words, "--out", tmp_path / "rows")
    assert done.returncode == 2
    assert message in done.stderr
    assert not (tmp_path / "rows").exists()


def test_parquet_without_pyarrow_names_the_extra(
    plain_run: ExportedFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingPackages, match=r"pip install 'teachback\[files\]'"):
        plain_run.export("parquet", tmp_path)


OWN_TASK = """\
from dataclasses import replace

from teachback.build.task import make_task
from teachback.config.reading import make_config


def make(options, repeat):
    tree = {"name": "prontoqa", "hops": [1, 2], "seeds": 16, "dev": 4, "test": 4}
    task = make_task(make_config({"task": tree, "rounds": 1}).task)
    return replace(task, prompt=lambda question: f"Say: {question}")
"""


def test_a_function_of_the_run_is_loaded_if_it_is_trusted_and_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEACHBACK_CACHE", str(tmp_path / "cache"))
    source = tmp_path / "mine.py"
    source.write_text(OWN_TASK)
    folder = tmp_path / "run"
    fake_run(folder, rounds=1, task={"name": "own", "function": f"{source}:make"})
    with pytest.raises(ConfigError, match="add --trust"):
        teachback.export(folder, to="csv", out=tmp_path / "a.csv")
    teachback.export(folder, to="csv", out=tmp_path / "plain.csv", plain=True)

    path = teachback.export(folder, to="csv", out=tmp_path, trust=True).out
    with path.open(newline="", encoding="utf-8") as file:
        assert all(row["question"].startswith("Say: ") for row in csv.DictReader(file))
    source.write_text(OWN_TASK.replace("Say", "Tell"))
    with pytest.raises(InputsChanged, match=r"mine\.py:make"):
        teachback.export(folder, to="csv", out=tmp_path / "b.csv", trust=True)
