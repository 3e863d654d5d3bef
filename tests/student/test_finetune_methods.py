"""What is trained by each method, and that the folder that comes out is a whole student."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from teachback.errors import StudentError
from teachback.student.chat import Chat
from teachback.student.loading import load_student
from teachback.student.training.batch import tokenize_rows
from teachback.student.training.finetune import Recipe, RuntimeOptions, finetune
from teachback.student.training.layout import PADDED_LAYOUT, compute_batch_loss

CHAT = Chat(system="Be brief.")
ROWS = [(f"Count to {i}.", " ".join(map(str, range(i + 1)))) for i in range(1, 14)]
RECIPE = Recipe(lr=1e-2, epochs=2, rows_per_step=4)
LORA = RECIPE.model_copy(
    update={"method": "lora", "lora_rank": 4, "lr": 0.05, "epochs": 4}
)


def train(
    start: Path, folder: Path, recipe: Recipe = RECIPE, rows: Any = ROWS, **options: Any
) -> Path:
    return finetune(
        start,
        rows,
        folder,
        chat=CHAT,
        recipe=recipe,
        seed=5,
        options=RuntimeOptions(**options),
    )


def read_weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def compute_loss(model: Any, student_folder: Path) -> float:
    rows = tokenize_rows(load_student(student_folder), CHAT, ROWS)
    with torch.no_grad():
        return float(
            compute_batch_loss(model.eval(), rows, PADDED_LAYOUT, torch.device("cpu"))
        ) / sum(len(r["answer"]) for r in rows)


def list_changed_weights(before: Path, after: Path) -> set[str]:
    weights_before = load_student(before).model.state_dict()
    weights_after = load_student(after).model.state_dict()
    assert set(weights_before) == set(weights_after)
    assert {value.dtype for value in weights_after.values()} == {torch.float32}
    return {
        name
        for name in weights_before
        if not torch.equal(weights_before[name], weights_after[name])
    }


def test_two_runs_give_bit_equal_weights_and_learn(tiny: Path, tmp_path: Path) -> None:
    first = train(tiny, tmp_path / "a")
    second = train(tiny, tmp_path / "b")
    assert read_weights(first) == read_weights(second)
    assert compute_loss(load_student(first).model, first) < 0.8 * compute_loss(
        load_student(tiny).model, tiny
    )
    assert len(list_changed_weights(tiny, first)) == len(
        load_student(tiny).model.state_dict()
    )
    assert json.loads((first / "config.json").read_text()) == json.loads(
        (tiny / "config.json").read_text()
    )


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_lora_trains_an_adapter_and_merges_it(
    precision: Any, tiny: Path, tmp_path: Path
) -> None:
    out = train(tiny, tmp_path, LORA.model_copy(update={"precision": precision}))
    assert compute_loss(load_student(out).model, out) < compute_loss(
        load_student(tiny).model, tiny
    )
    assert all("_proj" in name for name in list_changed_weights(tiny, out)), (
        "norms and embeddings are those of the base, to the bit"
    )
    assert len(list_changed_weights(tiny, out)) == 14
    assert not (out / "adapter").exists()


@pytest.mark.filterwarnings(
    "ignore::FutureWarning"
)  # peft asks transformers by an old name
def test_an_adapter_that_is_kept_gives_the_merged_student_on_the_base(
    tiny: Path, tmp_path: Path
) -> None:
    from peft import PeftModel

    out = train(tiny, tmp_path, LORA, save_adapter=True)
    adapter_model = PeftModel.from_pretrained(load_student(tiny).model, out / "adapter")
    assert compute_loss(adapter_model, out) == pytest.approx(
        compute_loss(load_student(out).model, out), abs=1e-5
    )
    assert (
        json.loads((out / "adapter/adapter_config.json").read_text())[
            "base_model_name_or_path"
        ]
        is None
    )


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_last_layers_trains_no_other(
    precision: Any, tiny: Path, tmp_path: Path
) -> None:
    out = train(
        tiny,
        tmp_path,
        RECIPE.model_copy(
            update={"method": "last_layers", "last_layers": 1, "precision": precision}
        ),
    )
    names = list_changed_weights(tiny, out)
    assert len(names) == 9
    assert all(name.startswith("model.layers.1.") for name in names)
    assert compute_loss(load_student(out).model, out) < compute_loss(
        load_student(tiny).model, tiny
    )
    with pytest.raises(
        StudentError,
        match=r"last_layers is more than the student has[\s\S]*allowed: 1 to 2",
    ):
        train(
            tiny,
            tmp_path / "b",
            RECIPE.model_copy(update={"method": "last_layers", "last_layers": 3}),
        )


@pytest.mark.skipif(torch.cuda.is_available(), reason="for machines without a GPU")
def test_qlora_without_a_gpu_says_what_it_needs(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(
        StudentError, match=r"needs a GPU[\s\S]*no GPU[\s\S]*teachback\[qlora\]"
    ):
        train(tiny, tmp_path, RECIPE.model_copy(update={"method": "qlora"}))


def test_bf16_autocast_keeps_float32_parameters(tiny: Path, tmp_path: Path) -> None:
    out = train(tiny, tmp_path / "a", RECIPE.model_copy(update={"precision": "bf16"}))
    assert len(list_changed_weights(tiny, out)) == len(
        load_student(tiny).model.state_dict()
    )
    plain = train(tiny, tmp_path / "b")
    assert read_weights(out) != read_weights(plain), "products are in bf16"
    assert compute_loss(load_student(out).model, out) == pytest.approx(
        compute_loss(load_student(plain).model, plain), rel=0.02
    )


def test_checkpointing_changes_nothing(tiny: Path, tmp_path: Path) -> None:
    plain = train(tiny, tmp_path / "a")
    checkpointed = train(tiny, tmp_path / "b", gradient_checkpointing=True)
    for a, b in zip(
        load_student(plain).model.parameters(),
        load_student(checkpointed).model.parameters(),
        strict=True,
    ):
        torch.testing.assert_close(a, b, atol=2e-5, rtol=0)


@pytest.mark.gpu
@pytest.mark.parametrize("method", ["full", "lora", "last_layers", "qlora"])
def test_methods_on_a_gpu(method: Any, tiny: Path, tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes") if method == "qlora" else None
    recipe = replace(
        LORA,
        method=method,
        lr=5e-2 if "lora" in method else 1e-2,
        precision="bf16",
        last_layers=1,
    )
    out = train(tiny, tmp_path, recipe, gradient_checkpointing=True)
    assert compute_loss(load_student(out).model.cpu(), out) < compute_loss(
        load_student(tiny).model.cpu(), tiny
    )
