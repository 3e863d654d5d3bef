"""Which weights are trained, and how they become a whole student again."""

import json
import shutil
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ...errors import StudentError
from ...run.files import publish_path
from ..loading import LoadedStudent, load_student
from .layout import causal_model
from .recipe import Recipe


def check_method(recipe: Recipe) -> None:
    """Raises StudentError where the method can't run here."""
    if recipe.method != "qlora":
        return
    import torch

    if find_spec("bitsandbytes") is None or not torch.cuda.is_available():
        raise StudentError(
            "finetune.method: qlora needs a GPU and the package bitsandbytes",
            got=f"{'a' if torch.cuda.is_available() else 'no'} GPU, "
            f"bitsandbytes {'is not' if find_spec('bitsandbytes') is None else 'is'} installed",
            fix="pip install 'teachback[qlora]' on a machine with a GPU, or set "
            "finetune.method: lora",
        )


def prepare_model(
    student: LoadedStudent, start: Path, recipe: Recipe, seed: int
) -> Any:
    """The model with the weights that the method trains, and no others, asking for gradients."""
    if recipe.method == "full":
        return student.model
    if recipe.method == "last_layers":
        return train_last_layers(student.model, recipe.last_layers)
    return add_adapter(
        load_in_4_bits(start) if recipe.method == "qlora" else student.model,
        recipe,
        seed,
    )


def train_last_layers(model: Any, n: int) -> Any:
    import torch

    lists = [m for m in model.modules() if isinstance(m, torch.nn.ModuleList)]
    layers: Any = next(
        (m for m in lists if len(m) == model.config.num_hidden_layers), []
    )
    if n > len(layers):
        raise StudentError(
            "finetune.last_layers is more than the student has",
            got=n,
            allowed=f"1 to {len(layers)}",
        )
    model.requires_grad_(False)
    layers[len(layers) - n :].requires_grad_(True)
    return model


def load_in_4_bits(start: Path) -> Any:
    import torch
    from peft import prepare_model_for_kbit_training
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    model = AutoModelForCausalLM.from_pretrained(
        start, quantization_config=config, device_map={"": 0}
    )
    return prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)


def add_adapter(model: Any, recipe: Recipe, seed: int) -> Any:
    import torch
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=recipe.lora_rank,
        lora_alpha=recipe.lora_alpha,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    with warnings.catch_warnings(), torch.random.fork_rng():
        warnings.simplefilter(
            "ignore", FutureWarning
        )  # of transformers, about how peft asks it
        torch.manual_seed(seed)
        return get_peft_model(model, config)


def cast_frozen_layers(model: Any) -> None:
    """Linear layers that aren't trained, in bf16: what autocast would make of them in every pass,
    made once.
    """
    import torch

    tied = causal_model(model).get_output_embeddings()
    for layer in model.modules():
        if (
            type(layer) is torch.nn.Linear
            and layer is not tied
            and not layer.weight.requires_grad
        ):
            layer.to(torch.bfloat16)


def enable_checkpointing(model: Any) -> None:
    """Activations are computed again in the backward pass, layer by layer."""
    inner = causal_model(model)
    enable = (
        getattr(inner, "activation_checkpointing_enable", None)
        or inner.gradient_checkpointing_enable
    )
    enable({"use_reentrant": False})


def save_student(
    model: Any,
    tokenizer: Any,
    start: Path,
    recipe: Recipe,
    out: Path,
    save_adapter: bool,
) -> None:
    """The whole student in `out`, in float32; what was frozen comes from `start`, to the bit.

    save_adapter: LoRA's adapter also goes to out/adapter, as peft and servers load it.
    """
    aside = out.with_suffix(".tmp")
    shutil.rmtree(aside, ignore_errors=True)
    merged_student(model, start, recipe, aside / "adapter").save_pretrained(aside)
    if not save_adapter:
        shutil.rmtree(aside / "adapter", ignore_errors=True)
    tokenizer.save_pretrained(aside)
    publish_path(aside, out)


def merged_student(model: Any, start: Path, recipe: Recipe, adapter: Path) -> Any:
    if recipe.method == "full":
        return model
    fresh = load_student(start).model
    if recipe.method == "last_layers":
        fresh.load_state_dict(
            {n: p for n, p in model.named_parameters() if p.requires_grad}, strict=False
        )
        return fresh
    from peft import PeftModel

    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", FutureWarning
        )  # of transformers, about how peft asks it
        model.save_pretrained(adapter, save_embedding_layers=False)
        config = json.loads((adapter / "adapter_config.json").read_text())
        config["base_model_name_or_path"] = None  # a path of this machine
        (adapter / "adapter_config.json").write_text(
            json.dumps(config, indent=2, sort_keys=True)
        )
        (adapter / "README.md").unlink(missing_ok=True)  # peft's empty card
        return PeftModel.from_pretrained(fresh, adapter).merge_and_unload()
