"""Folders that are no student: one message, with the cause and the fix."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from teachback.errors import MissingPackages, StudentError
from teachback.student.engines.server import load_weightless_student
from teachback.student.inference import load_for_inference
from teachback.student.loading import load_student
from teachback.student.model_files import explain_load_error
from teachback.testing import tiny_student

WEIGHTS = "model.safetensors"


def edit_json(path: Path, **changes: Any) -> None:
    tree = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**tree, **changes}))


def edit_weights(
    folder: Path, change: Callable[[dict[str, torch.Tensor]], Any]
) -> None:
    weights = load_file(folder / WEIGHTS)
    change(weights)
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})


def cut_weights(folder: Path) -> None:
    content = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(content[: len(content) // 2])


def drop_up_projection(folder: Path) -> None:
    edit_weights(folder, lambda w: w.pop("model.layers.1.mlp.up_proj.weight"))


def drop_head(folder: Path) -> None:
    edit_weights(folder, lambda w: w.pop("lm_head.weight"))


def spoil_norm(folder: Path) -> None:
    edit_weights(folder, lambda w: w["model.norm.weight"].fill_(float("nan")))


def spoil_head(folder: Path) -> None:
    edit_weights(folder, lambda w: w["lm_head.weight"][7].fill_(float("inf")))


def pickle_weights(folder: Path) -> None:
    torch.save(load_file(folder / WEIGHTS), folder / "pytorch_model.bin")
    (folder / WEIGHTS).unlink()


def bring_code(folder: Path) -> None:
    edit_json(
        folder / "config.json",
        model_type="mine",
        auto_map={"AutoConfig": "code.C", "AutoModelForCausalLM": "code.M"},
    )
    (folder / "code.py").write_text(f"open({str(folder / 'ran')!r}, 'w')")


def keep_gguf_only(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    (folder / "model.Q4_K_M.gguf").write_bytes(b"GGUF")


def forget_ends(folder: Path) -> None:
    edit_json(folder / "tokenizer_config.json", eos_token=None)
    edit_json(folder / "generation_config.json", eos_token_id=9999)


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def write(name: str, text: str) -> Callable[[Path], None]:
    def write_file(folder: Path) -> None:
        (folder / name).write_text(text)

    return write_file


def config(**changes: Any) -> Callable[[Path], None]:
    return lambda folder: edit_json(folder / "config.json", **changes)


DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "a weight": (
        drop_up_projection,
        r"are missing[\s\S]*no model.layers.1.mlp.up_proj",
    ),
    "the head": (drop_head, r"are missing[\s\S]*no lm_head[\s\S]*tie_word_embeddings"),
    "other shapes": (config(intermediate_size=48), r"other shapes[\s\S]*by the config"),
    "cut off": (cut_weights, r"damaged or was cut off"),
    "no weights": (remove(WEIGHTS), r"can't be loaded"),
    "NaN": (spoil_norm, r"NaN or infinite"),
    "infinity": (spoil_head, r"NaN or infinite"),
    "pickles": (pickle_weights, r"can't be loaded[\s\S]*pickles"),
    "code": (bring_code, r"brings its own code, which teachback never runs"),
    "GGUF": (keep_gguf_only, r"GGUF files are for llama.cpp"),
    "adapter beside": (write("adapter_config.json", "{}"), r"adapter beside a whole"),
    "no config": (remove("config.json"), r"there is no config.json"),
    "broken config": (write("config.json", '{"a": '), r"config.json can't be read"),
    "a list": (write("config.json", "[]"), r"is no model's config[\s\S]*type list"),
    "unknown type": (config(model_type="nothing"), r"model in .* can't be loaded"),
    "broken tokenizer": (write("tokenizer.json", "{}"), r"tokenizer in .* can't be"),
    "no end": (forget_ends, r"no end token[\s\S]*9999[\s\S]*below 261"),
    **{
        method: (
            config(quantization_config={"quant_method": method}),
            rf"is quantised[\s\S]*{method}[\s\S]*unquantised model",
        )
        for method in (
            "awq",
            "bitsandbytes",
            "compressed-tensors",
            "fp8",
            "gptq",
            "mxfp4",
            "torchao",
        )
    },
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_folder_is_refused_with_its_cause(name: str, tmp_path: Path) -> None:
    folder = tiny_student(tmp_path)
    damage, message = DAMAGES[name]
    damage(folder)
    with pytest.raises(StudentError, match=message) as error:
        load_for_inference(folder)
    assert "fix: " in str(error.value)
    assert not (folder / "ran").exists()


def test_an_adapter_alone_is_told_from_weights_that_are_gone(tmp_path: Path) -> None:
    folder = tiny_student(tmp_path)
    edit_json(folder / "adapter_config.json", peft_type="LORA")
    (folder / "config.json").unlink()
    with pytest.raises(
        StudentError, match=r"and no whole model[\s\S]*merge_and_unload"
    ):
        load_student(folder)
    shutil.rmtree(folder)
    with pytest.raises(StudentError, match="its weights were removed"):
        load_student(folder)


@pytest.mark.parametrize("name", ["awq", "adapter beside", "GGUF", "code", "no end"])
def test_a_server_s_student_is_refused_alike(name: str, tmp_path: Path) -> None:
    folder = tiny_student(tmp_path)
    damage, _ = DAMAGES[name]
    damage(folder)
    with pytest.raises(StudentError):
        load_weightless_student(folder)


def test_sampling_settings_of_the_folder_and_several_ends_are_fine(
    tmp_path: Path,
) -> None:
    folder = tiny_student(tmp_path)
    edit_json(
        folder / "generation_config.json", temperature=0.9, eos_token_id=[1, 40, 9999]
    )
    assert load_student(folder).ends == {1, 40}


def test_missing_packages_are_named_with_their_extra(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(MissingPackages, match=r"needs peft.*'teachback\[student\]'"):
        load_student(tiny)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ModuleNotFoundError("No module named 'x'", name="x"), "pip install x"),
        (ImportError("needs y: `pip install y`"), "as the message says"),
        (MemoryError(), "doesn't fit"),
        (RuntimeError("[enforce fail] can't allocate memory: 9"), "doesn't fit"),
        (KeyError("rope"), r"can't be loaded: KeyError: 'rope'"),
    ],
)
def test_an_error_of_transformers_becomes_a_cause(
    error: Exception, message: str, tmp_path: Path
) -> None:
    assert_match = pytest.raises(StudentError, match=message)
    with assert_match:
        raise explain_load_error("model", tmp_path, error)
