"""Which weights are trained, and how they become a whole student again."""

import json
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...errors import (
    StudentError,
    explain_disk_errors,
    make_pip_line,
    require_modules,
)
from ...run.files import publish_path
from ..loading import LoadedStudent, load_student
from .adapters import list_unadaptable
from .divergence import check_trained_model
from .layout import get_causal_model
from .recipe import QLORA_MODULES, Recipe


def check_method(recipe: Recipe) -> None:
    """Raises StudentError or MissingPackages where the method can't run here."""
    if recipe.method != "qlora":
        return
    import torch

    if not torch.cuda.is_available():
        raise StudentError(
            "finetune.method: qlora needs a GPU",
            got="no GPU",
            fix="set finetune.method: lora, or use a machine with a GPU, and there "
            f"{make_pip_line(QLORA_MODULES)}",
        )
    require_modules("finetune.method: qlora", QLORA_MODULES)


def prepare_model(
    student: LoadedStudent, start: Path, recipe: Recipe, seed: int
) -> Any:
    """The model, in which the weights that the method trains ask for gradients, no others."""
    if recipe.method == "full":
        return student.model
    if recipe.method == "last_layers":
        return unfreeze_last_layers(student.model, recipe.last_layers)
    if recipe.method == "qlora":
        return add_adapter(load_in_4_bits(start), recipe, seed)
    return add_adapter(student.model, recipe, seed)


def unfreeze_last_layers(model: Any, n: int) -> Any:
    """The same model, of which all but the last n layers are frozen."""
    import torch

    n_layers = model.config.get_text_config(decoder=True).num_hidden_layers
    decoder = model.get_decoder()
    lists = [m for m in decoder.modules() if isinstance(m, torch.nn.ModuleList)]
    # The decoder's layers are the first list of their number.
    layers: Any = next((modules for modules in lists if len(modules) == n_layers), [])
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
        start,
        quantization_config=config,
        device_map={"": 0},
        trust_remote_code=False,
        use_safetensors=True,
    )
    return prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)


def add_adapter(model: Any, recipe: Recipe, seed: int) -> Any:
    import torch
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=recipe.lora_rank,
        lora_alpha=recipe.lora_alpha,
        target_modules="all-linear",
        exclude_modules=list_unadaptable(model) or None,
        task_type="CAUSAL_LM",
    )
    # The fork keeps the caller's random stream as it was.
    with ignore_peft_warnings(), torch.random.fork_rng():
        torch.manual_seed(seed)
        try:
            return get_peft_model(model, config)
        except ValueError as error:
            raise StudentError(
                "no adapter can be put on this student's layers",
                got=f"{type(model).__name__}: {error}",
                fix="set finetune.method: full, or last_layers",
            ) from error


@contextmanager
def ignore_peft_warnings() -> Iterator[None]:
    """Within it nothing warns of what is between peft and transformers only."""
    with warnings.catch_warnings():
        # Old names that peft calls transformers by.
        warnings.simplefilter("ignore", FutureWarning)
        # GPT-2's layers hold their weights transposed, which peft sees by itself.
        warnings.filterwarnings("ignore", "fan_in_fan_out is set", UserWarning)
        # Ranks for experts' weights, which a model may not have.
        warnings.filterwarnings(
            "ignore", "The following (rank|alpha)_pattern", RuntimeWarning
        )
        yield


def cast_frozen_layers(model: Any) -> None:
    """Cast linear layers that aren't trained to bf16, once.

    Autocast would cast them in every pass.
    """
    import torch

    # The head is left alone: its weight may be the embeddings' too.
    head = get_causal_model(model).get_output_embeddings()
    for layer in model.modules():
        is_linear = type(layer) is torch.nn.Linear and layer is not head
        if is_linear and not layer.weight.requires_grad:
            layer.to(torch.bfloat16)


def enable_checkpointing(model: Any) -> None:
    """Activations are computed again in the backward pass, layer by layer."""
    causal_model = get_causal_model(model)
    enable = (
        getattr(causal_model, "activation_checkpointing_enable", None)
        or causal_model.gradient_checkpointing_enable
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
    """Save the whole student in `out`, in float32. Frozen weights are those of `start`.

    save_adapter: LoRA's adapter also goes to out/adapter, as peft and servers load it.
    """
    aside = out.with_suffix(".tmp")
    shutil.rmtree(aside, ignore_errors=True)
    whole_model = merge_student(model, start, recipe, aside / "adapter")
    check_trained_model(whole_model, recipe)
    with explain_disk_errors(out):
        whole_model.save_pretrained(aside)
        if not save_adapter:
            shutil.rmtree(aside / "adapter", ignore_errors=True)
        tokenizer.save_pretrained(aside)
        publish_path(aside, out)


def merge_student(model: Any, start: Path, recipe: Recipe, adapter: Path) -> Any:
    """The whole model: what was trained, put into the student at `start`.

    adapter: the folder that LoRA's adapter is saved in on the way.
    """
    if recipe.method == "full":
        return model
    base_model = load_student(start).model
    if recipe.method == "last_layers":
        trained_weights = {n: p for n, p in model.named_parameters() if p.requires_grad}
        base_model.load_state_dict(trained_weights, strict=False)
        return base_model
    from peft import PeftModel

    with ignore_peft_warnings():
        with explain_disk_errors(adapter):
            save_adapter_folder(model, adapter)
        return PeftModel.from_pretrained(base_model, adapter).merge_and_unload()


def save_adapter_folder(model: Any, adapter: Path) -> None:
    """Save LoRA's adapter, without what would differ from one machine to the next."""
    model.save_pretrained(adapter, save_embedding_layers=False)
    config_file = adapter / "adapter_config.json"
    config = json.loads(config_file.read_text())
    config["base_model_name_or_path"] = None  # a path of this machine
    config_file.write_text(json.dumps(config, indent=2, sort_keys=True))
    (adapter / "README.md").unlink(missing_ok=True)  # peft's empty card
