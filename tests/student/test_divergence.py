"""A finetuning that ends in NaN or infinity saves no student."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from teachback.errors import StudentError
from teachback.student.chat import Chat
from teachback.student.inference import load_for_inference
from teachback.student.training.divergence import LossCheck, check_finite_weights
from teachback.student.training.finetune import Recipe, finetune
from teachback.testing import tiny_student

ROWS = [("What is 1 + 1?", "It is 2."), ("Say hello", "Hello!")]


@pytest.mark.parametrize("method", ["full", "lora", "last_layers"])
@pytest.mark.parametrize("epochs", [1, 2], ids=["weights", "loss"])
def test_a_rate_that_is_far_too_high_is_refused_and_nothing_is_saved(
    method: str, epochs: int, tiny: Path, tmp_path: Path
) -> None:
    """After one step the loss was finite, and only the weights aren't."""
    recipe = Recipe.model_validate(
        {"method": method, "lr": 1e30, "epochs": epochs, "last_layers": 1}
    )
    with pytest.raises(
        StudentError, match=r"diverged[\s\S]*finetune.lr 1e\+30[\s\S]*lower finetune.lr"
    ):
        finetune(tiny, ROWS, tmp_path, chat=Chat(), recipe=recipe, seed=0)
    assert not (tmp_path / "student").exists()


def test_a_student_of_nan_is_refused_before_it_is_trained(tmp_path: Path) -> None:
    folder = tiny_student(tmp_path / "student")
    weights = load_file(folder / "model.safetensors")
    weights["model.embed_tokens.weight"].fill_(float("nan"))
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(StudentError, match=r"NaN or infinite[\s\S]*earlier student"):
        finetune(folder, ROWS, tmp_path, chat=Chat(), recipe=Recipe(), seed=0)


def test_a_high_rate_that_stays_finite_is_trained(tiny: Path, tmp_path: Path) -> None:
    recipe = Recipe(lr=0.5, epochs=2)
    load_for_inference(
        finetune(tiny, ROWS, tmp_path, chat=Chat(), recipe=recipe, seed=0)
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_losses_and_weights_are_numbers(value: float) -> None:
    losses = LossCheck(Recipe())
    losses.check(torch.tensor(3.0), 0)
    with pytest.raises(StudentError, match="before it is trained"):
        losses.check(torch.tensor(value), 0)
    with pytest.raises(StudentError, match=rf"loss {value} at step 8"):
        losses.check(torch.tensor(value), 7)
    layer = torch.nn.Linear(3, 2)
    check_finite_weights(layer, Recipe())
    layer.bias.data[1] = value
    with pytest.raises(StudentError, match="NaN or infinity in bias"):
        check_finite_weights(layer, Recipe())
