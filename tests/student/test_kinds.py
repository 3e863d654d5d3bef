"""Many kinds of models: what teachback makes of each is what the model itself does."""

from pathlib import Path

import pytest

from kinds import KINDS, build_kind, check_kind
from teachback.errors import StudentError
from teachback.student.inference import load_for_inference

DOCS = Path(__file__).parents[2] / "docs/students.md"
# What is unusual about them: heads, caches, states, routers. The others take a minute.
UNUSUAL = [
    "gemma4_text",
    "gpt2",
    "gpt_bigcode",
    "llama4_text",
    "mamba",
    "mamba2",
    "falcon_mamba",
    "minicpm3",
    "minimax",
    "nemotron_h",
    "phimoe",
    "recurrent_gemma",
    "rwkv",
    "xlstm",
]
USUAL = sorted(KINDS.keys() - set(UNUSUAL))


def rows_in_docs() -> list[str]:
    lines = DOCS.read_text(encoding="utf-8").split("\n")
    return [line for line in lines if line.startswith("| `") and line.count("|") == 5]


def test_docs_list_each_kind_once() -> None:
    names = [row.split("`")[1] for row in rows_in_docs()]
    assert names == sorted(KINDS)


@pytest.mark.parametrize("name", UNUSUAL)
def test_an_unusual_kind_is_run_as_the_docs_say(name: str, tmp_path: Path) -> None:
    assert str(check_kind(name, tmp_path / name)) in rows_in_docs()


@pytest.mark.slow
@pytest.mark.parametrize("name", USUAL)
def test_a_usual_kind_is_run_as_the_docs_say(name: str, tmp_path: Path) -> None:
    assert str(check_kind(name, tmp_path / name)) in rows_in_docs()


def test_a_config_that_contradicts_itself_is_refused_with_the_model_s_own_error(
    tmp_path: Path,
) -> None:
    folder = build_kind("minicpm3", tmp_path / "minicpm3")
    config = (folder / "config.json").read_text()
    (folder / "config.json").write_text(
        config.replace('"num_key_value_heads": 4', '"num_key_value_heads": 2')
    )
    with pytest.raises(
        StudentError, match=r"transformers' own code[\s\S]*got: MiniCPM3"
    ):
        load_for_inference(folder)
