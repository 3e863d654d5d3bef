"""Cards: what huggingface_hub reads of them, and what a person does."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import DatasetCard, ModelCard
from markdown_it import MarkdownIt
from markdown_it.token import Token

import teachback
from commands import command
from exporting import ExportedFolder
from teachback.config.about import AboutSettings
from teachback.config.reading import make_config, read_run_config
from teachback.config.run_identity import identify_config
from teachback.errors import ConfigError
from teachback.export.cards.card import CardRequest, make_card
from teachback.export.cards.markdown import escape_markdown, format_code, format_table
from teachback.export.cards.recipe import make_public_config
from teachback.export.exported_run import ExportedRun, read_exported_run
from teachback.report.formatting import format_accuracy
from teachback.run.digests import commit_with_digest, read_committed
from teachback.run.files import to_json_bytes
from teachback.run.history import read_step
from teachback.types import Curation, Rejection, WordOverlap

HOSTILE = (
    "<script>alert(1)</script> | [a](http://127.0.0.1) ![b](c) `d` **e**\n# f\u202e"
)
OPENAI_TEACHER = {
    "name": "openai",
    "base_url": "http://10.1.2.3:8000/v1",
    "model": "some-model",
    "key_env": "MY_KEY",
    "headers": {"X-Team": "ours"},
}


@pytest.fixture(scope="module")
def refused(
    exported: ExportedFolder, tmp_path_factory: pytest.TempPathFactory
) -> ExportedRun:
    """The run with refused drafts and a warning in its last round."""
    folder = tmp_path_factory.mktemp("refused") / "run"
    shutil.copytree(exported.folder, folder)
    path = folder / "round-01/curate.json"
    kept = read_committed(path, Curation)
    rejected = (
        Rejection("a", 0, "wrong: 3 is not 4"),
        Rejection("b", 0, "wrong: 5 is not 6"),
        Rejection("c", 0, "contaminated: shares 13 words with test t1"),
    )
    warning = WordOverlap(kept.rows[0].id, "dev d1", "8-word", "x", "y", "z")
    changed = replace(kept, rejected=rejected, warnings=(warning,))
    commit_with_digest(path, to_json_bytes(changed))
    return read_exported_run(folder)


def data_card(run: ExportedRun, folder: Path) -> str:
    """Of rows that are exported to the folder."""
    result = teachback.export(run.folder, to="messages", out=folder, force=True)
    return make_card(run, CardRequest("data", "messages", result.out))


def model_card(run: ExportedRun, dataset: str | None = None) -> str:
    request = CardRequest("student", "safetensors", run.find_student(), None, dataset)
    return make_card(run, request)


def with_config(run: ExportedRun, **changes: Any) -> ExportedRun:
    return replace(run, config=run.config.model_copy(update=changes))


def table_cells(card: str) -> list[list[str]]:
    lines = [line for line in card.splitlines() if line.startswith("| ")]
    return [line.strip("| ").split(" | ") for line in lines]


def walk_tokens(text: str) -> Iterator[Token]:
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        yield token
        yield from token.children or ()


def first_code(card: str) -> str:
    fences = [t for t in walk_tokens(card) if t.type == "fence" and t.info == "python"]
    return fences[0].content


# -- the rows' card ------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["messages", "sharegpt", "parquet", "csv"])
def test_datasets_loads_a_folder_by_its_card(
    form: str, exported: ExportedFolder, tmp_path: Path
) -> None:
    datasets = pytest.importorskip("datasets", reason="teachback[hub] is missing")
    folder = tmp_path / "rows"
    folder.mkdir()
    exported.export(form, folder, card=True)
    # Another file, which the card doesn't name, is no part of the data.
    (folder / "notes.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    loaded = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    assert list(loaded) == ["train"]
    assert len(loaded["train"]) == len(exported.rows)


def test_what_was_not_given_is_left_out(refused: ExportedRun, tmp_path: Path) -> None:
    card = data_card(refused, tmp_path)
    metadata = DatasetCard(card).data.to_dict()
    assert not {"license", "language", "source_datasets"} & set(metadata)
    assert metadata["size_categories"] == ["n<1K"]
    assert metadata["tags"] == ["teachback", "synthetic"]
    for what in ("source of the seeds", "licence of the seeds", "licence of this"):
        assert [what, "not given"] in table_cells(card)
    assert "No licence was given." in card


def test_what_was_given_stands_in_the_card(
    refused: ExportedRun, tmp_path: Path
) -> None:
    about = AboutSettings(
        source="https://example.org/seeds",
        source_license="CC BY-SA 4.0",
        license="cc-by-sa-4.0",
        language=["en", "de"],
    )
    card = data_card(with_config(refused, about=about), tmp_path)
    metadata = DatasetCard(card).data.to_dict()
    assert metadata["license"] == "cc-by-sa-4.0"
    assert metadata["language"] == ["en", "de"]
    cells = table_cells(card)
    assert ["source of the seeds", "https://example.org/seeds"] in cells
    assert ["licence of the seeds", "CC BY-SA 4.0"] in cells
    assert "No licence was given." not in card


def test_about_may_be_given_after_the_run_has_begun(tmp_path: Path) -> None:
    """It changes nothing that is computed."""
    config = teachback.testing.fake_config()
    told = config.model_copy(update={"about": AboutSettings(license="mit")})
    assert identify_config(told) == identify_config(config)
    for about in ({}, {"license": "mit"}):
        teachback.testing.fake_run(tmp_path / "run", rounds=1, about=about)
    assert read_run_config(tmp_path / "run").about.license == "mit"


@pytest.mark.parametrize(
    "about", [{"license": "CC BY 4.0"}, {"language": ["English"]}, {"source": " "}]
)
def test_what_the_hub_would_not_read_is_refused(about: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"about.{next(iter(about))}"):
        teachback.testing.fake_config(about=about)


def test_counts_are_those_of_the_files(refused: ExportedRun, tmp_path: Path) -> None:
    card = data_card(refused, tmp_path)
    cells = table_cells(card)
    for r in (0, 1):
        folder = refused.folder / f"round-{r:02d}"
        fresh, chosen = (read_step(folder, name) for name in ("curate", "select"))
        n_drafts = len(fresh.rows) + len(fresh.rejected)
        n_verified = sum(row.verified for row in fresh.rows)
        counts = (r, len(chosen.picks), n_drafts, len(fresh.rows), n_verified)
        assert [*map(str, counts)] in cells
    assert ["wrong", "2"] in cells
    assert ["contaminated", "1"] in cells
    assert "Refused as contaminated: 1 drafts." in card


def test_checks_are_those_that_were_made(refused: ExportedRun, tmp_path: Path) -> None:
    templated = data_card(refused, tmp_path)
    assert "made from templates and share their words" in templated
    assert "13 words" not in templated

    run = read_exported_run(refused.folder)
    run.__dict__["task"] = replace(refused.task, templated=False)
    free = data_card(run, tmp_path)
    assert "13 words in a row" in free
    assert "1 rows share 8 words in a row" in free


def test_a_model_that_was_asked_has_terms(refused: ExportedRun, tmp_path: Path) -> None:
    tree = refused.config.model_dump(mode="json") | {
        "teacher": OPENAI_TEACHER,
        "budget": {"generated": 9},
    }
    run = replace(refused, config=make_config(tree))
    card = data_card(run, tmp_path)
    assert "Read the terms for some-model before you use or share this" in card
    assert ["models asked", "some-model"] in table_cells(card)
    assert "**Terms.**" not in data_card(refused, tmp_path)
    for secret in ("10.1.2.3", "MY_KEY", "X-Team"):
        assert secret not in card


def test_a_card_beside_a_file_replaces_nothing_without_force(
    exported: ExportedFolder, tmp_path: Path
) -> None:
    mine = tmp_path / "README.md"
    mine.write_text("mine", encoding="utf-8")
    options = ("export", exported.folder, "--to", "csv", "--out", tmp_path / "r.csv")
    done = command(*options, "--card")
    assert done.returncode == 2
    assert f"{mine} is there already" in done.stderr
    assert not (tmp_path / "r.csv").exists()
    done = command(*options, "--card", "--force")
    assert f"its card is {mine}" in done.stdout
    assert DatasetCard.load(mine).data["configs"][0]["data_files"][0]["path"] == "r.csv"


def test_without_card_a_file_stands_alone(
    exported: ExportedFolder, tmp_path: Path
) -> None:
    exported.export("csv", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]


# -- texts from elsewhere ------------------------------------------------------------------


def test_hostile_texts_stay_texts(refused: ExportedRun, tmp_path: Path) -> None:
    about = AboutSettings(source=HOSTILE, source_license=HOSTILE)
    plain = [token.type for token in walk_tokens(data_card(refused, tmp_path))]
    card = data_card(with_config(refused, about=about), tmp_path)
    tokens = [*walk_tokens(card)]
    types = [token.type for token in tokens]
    assert not {"html_block", "html_inline", "image", "link_open"} & set(types)
    for kind in ("heading_open", "table_open", "tr_open", "td_open", "fence"):
        assert types.count(kind) == plain.count(kind)
    shown = {token.content for token in tokens}
    assert any("<script>alert(1)</script> | [a](http" in text for text in shown)
    assert "\u202e" not in card


def test_a_block_of_code_ends_where_it_should() -> None:
    text = "a\n```\n# b\n````\nc"
    (fence,) = walk_tokens("\n".join(format_code(text, "text")))
    assert (fence.type, fence.content) == ("fence", f"{text}\n")


def test_a_cell_stays_one_cell() -> None:
    lines = [*format_table(("x", "y"), [("a|b\\|c", "d\ne"), ("`f", "g`")])]
    tokens = [*walk_tokens("\n".join(lines))]
    cells = [tokens[i + 1].content for i, t in enumerate(tokens) if t.type == "td_open"]
    assert len(cells) == 4


@pytest.mark.parametrize(
    "text", ["a_b_c", "3 * 4 * 5", "$1 and $2", "~x~", "&lt;", "#1"]
)
def test_an_escaped_text_reads_as_it_was(text: str) -> None:
    (inline,) = [t for t in MarkdownIt().parse(escape_markdown(text)) if t.children]
    assert inline.children is not None
    assert "".join(child.content for child in inline.children) == text
    assert {child.type for child in inline.children} <= {"text", "text_special"}


# -- the student's card --------------------------------------------------------------------


def test_the_model_index_has_the_reports(finished: ExportedRun) -> None:
    card = model_card(finished, dataset="me/rows")
    data = ModelCard(card).data
    dev = read_step(finished.folder / "round-00", "evaluate")
    test = read_step(finished.folder / "round-00", "test")
    found = [
        (result.dataset_split, result.metric_type, result.metric_value)
        for result in data.eval_results
    ]
    assert found == [
        ("dev", "accuracy", round(dev.accuracy, 4)),
        ("test", "accuracy", round(test.accuracy, 4)),
    ]
    assert data.model_name == "run"
    assert data.library_name == "transformers"
    assert data.datasets == ["me/rows"]
    text = card.replace("\\", "")
    for report in (dev, test):
        assert f"| {report.split} | {report.n} | " in text
        assert format_accuracy(report) in text
    assert "Test was not measured." not in text


def test_a_local_student_has_no_base_on_the_hub(finished: ExportedRun) -> None:
    card = model_card(finished)
    metadata = ModelCard(card).data.to_dict()
    assert not {"base_model", "datasets", "license"} & set(metadata)
    assert "a local model (sha256" in card


def test_the_packaged_student_is_named_with_what_it_is(
    finished: ExportedRun, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished.folder, folder)
    inputs = json.loads((folder / "inputs.json").read_bytes())
    inputs["student"] = "smollm2-135m smollm2-135m-0123456789ab"
    commit_with_digest(folder / "inputs.json", to_json_bytes(inputs))
    card = model_card(read_exported_run(folder))
    base = "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert ModelCard(card).data.base_model == base
    assert f"| {base}, from 4-bit weights (smollm2-135m " in card


def test_the_limits_are_those_of_the_diagnosis(finished: ExportedRun) -> None:
    card = model_card(finished).replace("\\", "")
    assert "- no gain: dev accuracy" in card
    assert "- Dev was measured after every round" in card
    best = model_card(with_config(finished, keep="best"))
    assert "the one with the best dev accuracy" in best


def test_the_code_in_the_card_asks_as_in_training(
    finished: ExportedRun, capsys: pytest.CaptureFixture[str]
) -> None:
    card = model_card(finished)
    code = first_code(card)
    student = finished.find_student()
    place = "FOLDER OR ORGANISATION/NAME"
    assert place in code
    names: dict[str, Any] = {}
    exec(code.replace(place, str(student)), names)
    row = finished.history.rounds[0].fresh.rows[0]
    assert names["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": finished.task.prompt(row.question)},
    ]
    assert names["answer"].shape[1] - names["n_prompt"] <= 5
    shown = names["answer"][0, names["n_prompt"] :]
    text = names["tokenizer"].decode(shown, skip_special_tokens=True)
    assert capsys.readouterr().out == f"{text}\n"


# peft asks transformers by a name that it will drop.
@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")
def test_an_adapter_is_put_on_the_untuned_student(
    finished: ExportedRun,
    tiny: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from peft import LoraConfig, PeftModel, get_peft_model
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny)
    get_peft_model(model, LoraConfig(task_type="CAUSAL_LM")).save_pretrained(tmp_path)
    card = make_card(finished, CardRequest("student", "adapter", tmp_path))
    assert ModelCard(card).data.library_name == "peft"
    code = first_code(card)
    code = code.replace("FOLDER OF THE UNTUNED STUDENT", str(tiny))
    names: dict[str, Any] = {}
    exec(code.replace("FOLDER OR ORGANISATION/NAME", str(tmp_path)), names)
    assert isinstance(names["model"], PeftModel)
    assert capsys.readouterr().out


def test_a_card_can_be_made_where_the_data_is_gone(
    finished: ExportedRun, tmp_path: Path
) -> None:
    tree = finished.config.model_dump(mode="json")
    tree["task"] = {"name": "files", "seeds": str(tmp_path / "gone.jsonl")}
    card = model_card(replace(finished, config=make_config(tree)))
    assert "The task's data can't be read where this card was made" in card
    assert "which can't be told here" in card


# -- both ----------------------------------------------------------------------------------


def test_the_same_run_gives_the_same_card_wherever_it_lies(
    finished: ExportedRun, tmp_path: Path
) -> None:
    copy = tmp_path / "run"
    shutil.copytree(finished.folder, copy)
    moved = read_exported_run(copy)
    assert model_card(moved) == model_card(finished)
    cards = data_card(moved, tmp_path), data_card(finished, tmp_path)
    assert cards[0] == cards[1]
    for card in (*cards, model_card(finished)):
        assert str(finished.folder.parent) not in card
        assert str(finished.config.student.model) not in card


def test_the_config_in_the_card_makes_the_same_run(
    refused: ExportedRun, tmp_path: Path
) -> None:
    card = data_card(refused, tmp_path)
    (block,) = [t for t in walk_tokens(card) if t.type == "fence" and t.info == "yaml"]
    tree = yaml.safe_load(block.content)
    assert tree["rows"] == "own.jsonl"
    made = make_config(tree, base=refused.folder.parent)
    original = refused.config.model_copy(
        update={"rows": refused.folder.parent / "own.jsonl"}
    )
    assert identify_config(made) == identify_config(original)


def test_a_public_config_names_no_place_of_one_machine(tmp_path: Path) -> None:
    config = make_config(
        {
            "task": {
                "name": "own",
                "function": f"{tmp_path}/mine.py:make",
                "options": {"file": f"{tmp_path}/data.csv", "n": 3},
            },
            "student": {"model": f"{tmp_path}/weights", "system": "/no_think"},
            "teacher": {**OPENAI_TEACHER, "prompts": f"{tmp_path}/prompts"},
            "rounds": 1,
            "run_dir": f"{tmp_path}/run",
            "machine": {"threads": 1},
        }
    )
    assert make_public_config(config) == {
        "task": {
            "name": "own",
            "function": "mine.py:make",
            "options": {"file": "data.csv", "n": 3},
        },
        "student": {"model": "weights", "system": "/no_think"},
        "teacher": {"name": "openai", "model": "some-model", "prompts": "prompts"},
        "rounds": 1,
    }


def test_a_run_without_a_finished_round_has_no_card(
    finished: ExportedRun, tmp_path: Path
) -> None:
    history = finished.history._replace(rounds=())
    request = CardRequest("student", "safetensors", tmp_path)
    with pytest.raises(ConfigError, match="no finished round"):
        make_card(replace(finished, history=history), request)


def test_costs_have_no_seconds(refused: ExportedRun, tmp_path: Path) -> None:
    cells = table_cells(data_card(refused, tmp_path))
    header = next(line for line in cells if "role" in line)
    assert header[-2:] == ["USD", "FLOPs"]
    versions = json.loads((refused.folder / "inputs.json").read_bytes())["versions"]
    assert all([name, version] in cells for name, version in versions.items())
