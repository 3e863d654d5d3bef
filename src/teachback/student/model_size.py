"""How many parameters a model has, and the memory that finetuning it takes."""

import json
import re
import struct
from dataclasses import dataclass
from math import prod
from pathlib import Path

from .folder import SMOLLM2, cache_folder

# Weights, gradients and both of Adam's moments are float32 in every training precision
FLOAT_BYTES = 4
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
        n_parameters = sum(map(count_parameters, folder.glob("*.safetensors")))
        if n_parameters:
            return ModelSize(n_parameters, "counted in its weights")

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


def count_parameters(path: Path) -> int:
    """The parameters in a safetensors file, from its header alone."""
    with open(path, "rb") as file:
        (header_bytes,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(header_bytes))
    return sum(
        prod(tensor["shape"])
        for name, tensor in header.items()
        if name != "__metadata__"
    )


def finetuning_memory(parameters: int | None, method: str) -> float | None:
    """Bytes that finetuning takes, without activations; None if the size is unknown.

    Full finetuning holds weights, gradients and two moments. With LoRA the weights
    are nearly all: adapters are small.
    """
    if parameters is None:
        return None
    copies = 4 if method == "full" else 1
    return parameters * FLOAT_BYTES * copies
