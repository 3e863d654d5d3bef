"""How many parameters a model has, and the memory that finetuning it takes."""

import json
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from math import prod
from pathlib import Path
from typing import Literal

from .folder import SMOLLM2, cache_folder

# Weights, gradients and both of Adam's moments are float32 in every training precision
FLOAT_BYTES = 4
# Of finetuning's peak, by precision and method. bf16's copies are 2 bytes each; where they are
# frozen they replace the float32 weights. 4-bit weights take about 0.6, beside the whole student.
BYTES_PER_PARAMETER: Mapping[str, Mapping[str, float]] = {
    "float32": {"full": 16, "lora": 8, "last_layers": 8, "qlora": 4.6},
    "bf16": {"full": 18, "lora": 6, "last_layers": 6, "qlora": 4.6},
}
MAX_HEADER_BYTES = 100_000_000  # as safetensors allows
SIZE_IN_NAME = re.compile(
    r"(?<![a-z0-9.])(?:(\d+)x)?(\d+(?:\.\d+)?)([bm])(?![a-z0-9])", re.IGNORECASE
)


@dataclass(frozen=True)
class ModelSize:
    parameters: int | None  # None: unknown
    source: str  # where the number comes from, in words


def find_model_size(model: str, revision: str | None = None) -> ModelSize:
    """The size from the weights, if they are on this machine, else from the name.

    Nothing is downloaded.
    """
    folder = model_folder(model, revision)
    if folder is not None:
        n_parameters = sum(map(count_parameters, list_weight_files(folder)))
        if n_parameters:
            return ModelSize(n_parameters, "counted in its weights")
        n_parameters = count_by_config(folder)
        if n_parameters:
            return ModelSize(n_parameters, "by its config.json")

    match = SIZE_IN_NAME.search(model)
    if match:
        experts, number, unit = match.groups()
        scale = 1e9 if unit in "bB" else 1e6
        parameters = round(int(experts or 1) * float(number) * scale)
        return ModelSize(parameters, f"from the name: {match[0]}")

    return ModelSize(
        None,
        "unknown: the weights are not on this machine and the name holds no number",
    )


def model_folder(model: str, revision: str | None) -> Path | None:
    """Where the model lies on this machine; None if it doesn't."""
    if model == SMOLLM2:
        folders = sorted(cache_folder().glob(f"{SMOLLM2}-*"))
        return next((path for path in folders if (path / "config.json").exists()), None)
    if Path(model).is_dir():
        return Path(model)
    try:
        from huggingface_hub import snapshot_download

        return Path(snapshot_download(model, revision=revision, local_files_only=True))
    except Exception:  # not installed, not cached or no such name: it isn't here
        return None


def list_weight_files(folder: Path) -> list[Path]:
    """The files that transformers reads. Beside them may lie the same weights in another form."""
    whole = folder / "model.safetensors"
    if whole.exists():
        return [whole]
    index = folder / "model.safetensors.index.json"
    try:
        names = set(json.loads(index.read_bytes())["weight_map"].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return sorted(folder.glob("*.safetensors"))
    paths = [folder / name for name in sorted(names)]
    # Some may not be fetched yet: then the sum would be too low.
    return paths if all(path.exists() for path in paths) else []


def count_parameters(path: Path) -> int:
    """The parameters in a safetensors file, from its header alone; 0 if the file is damaged."""
    try:
        with open(path, "rb") as file:
            (header_bytes,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(min(header_bytes, MAX_HEADER_BYTES)))
        return sum(
            prod(tensor["shape"])
            for name, tensor in header.items()
            if name != "__metadata__"
        )
    # Loading it says what is wrong with it.
    except (OSError, struct.error, ValueError, KeyError, TypeError, AttributeError):
        return 0


def count_by_config(folder: Path) -> int:
    """The parameters of a model without its weights, built on the meta device; 0 if it can't be."""
    if not (folder / "config.json").exists() or not find_spec("transformers"):
        return 0
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    except (
        Exception
    ):  # of a dozen kinds: configs, packages; each means that it isn't known
        return 0
    # Tied weights count once.
    return sum(parameter.numel() for parameter in model.parameters())


def finetuning_memory(
    parameters: int | None,
    method: str,
    precision: Literal["float32", "bf16"] = "float32",
) -> float | None:
    """Bytes that finetuning takes, without activations; None if the size is unknown.

    Full finetuning holds weights, gradients and two moments, and in bf16 a copy of the weights.
    With the other methods, gradients and moments are small. Their peak comes at the end: what
    was trained is put into a second copy of the student.
    """
    if parameters is None:
        return None
    bytes_per_parameter = BYTES_PER_PARAMETER[precision][method]
    return parameters * bytes_per_parameter


def describe_parameters(parameters: float) -> str:
    """Three digits: "1.54B parameters"."""
    for unit, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if parameters >= unit:
            return f"{float(f'{parameters / unit:.3g}'):g}{letter} parameters"
    return f"{parameters:g} parameters"
