"""What a model's folder must hold, and why one can't be loaded."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from ..errors import StudentError, require_modules

# Of the extra `student`: what every student needs.
STUDENT_MODULES = ("torch", "transformers", "accelerate", "peft")
ALLOWED_MODEL = (
    "a folder with an unquantised causal language model that transformers knows: "
    "config.json, *.safetensors and a tokenizer"
)
MAX_NAMES = 5  # that a message lists
MAX_REASON_CHARS = 400


def check_packages() -> None:
    """Raises MissingPackages for what every student needs."""
    require_modules("a student", STUDENT_MODULES)


def check_model_files(folder: Path) -> None:
    """Raises StudentError for a folder whose files are no student's."""
    config_file = folder / "config.json"
    if (folder / "adapter_config.json").exists():
        raise adapter_error(folder, is_alone=not config_file.exists())
    if not config_file.exists():
        raise missing_config_error(folder)
    method = find_quantization(read_model_config(config_file))
    if method is not None:
        raise StudentError(
            f"the model in {folder} is quantised: its weights can't be trained",
            got=f"quantization_config with the method {method}",
            allowed=ALLOWED_MODEL,
            fix="choose the unquantised model that it was made from; "
            "finetune.method: qlora quantises it while it is trained",
        )


def adapter_error(folder: Path, *, is_alone: bool) -> StudentError:
    """is_alone: there is no whole model beside it."""
    if is_alone:
        return StudentError(
            f"{folder} holds an adapter, and no whole model",
            got="adapter_config.json without config.json",
            allowed=ALLOWED_MODEL,
            fix="merge it into its base model (peft: merge_and_unload, then "
            "save_pretrained) and give that folder",
        )
    return StudentError(
        f"{folder} holds an adapter beside a whole model: "
        "transformers would add it to the model",
        got="config.json and adapter_config.json",
        allowed=ALLOWED_MODEL,
        fix="merge the adapter into the model, or move adapter_config.json and "
        "adapter_model.safetensors out of the folder",
    )


def missing_config_error(folder: Path) -> StudentError:
    gguf_files = sorted(path.name for path in folder.glob("*.gguf"))
    if gguf_files:
        return StudentError(
            f"no student in {folder}: GGUF files are for llama.cpp",
            got=list_names(gguf_files),
            allowed=ALLOWED_MODEL,
            fix="choose the model that the GGUF file was made from",
        )
    files = sorted(path.name for path in folder.glob("*")) if folder.is_dir() else []
    if not files:
        return StudentError(
            f"no student in {folder}",
            fix="its weights were removed: start a new run, or put them back",
        )
    return StudentError(
        f"no student in {folder}: there is no config.json",
        got=list_names(files),
        allowed=ALLOWED_MODEL,
        fix="put the missing files back, or save the model as transformers does",
    )


def read_model_config(path: Path) -> dict[str, Any]:
    """config.json. Raises StudentError if it is no JSON object."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StudentError(
            f"{path} can't be read",
            got=shorten_reason(error),
            allowed="JSON, as transformers writes it",
            fix="fetch or save the model again",
        ) from error
    if not isinstance(config, dict):
        raise StudentError(
            f"{path} is no model's config",
            got=f"JSON of the type {type(config).__name__}",
            allowed="a JSON object, as transformers writes it",
            fix="fetch or save the model again",
        )
    return config


def find_quantization(config: dict[str, Any]) -> str | None:
    """How a checkpoint is quantised, by its config; None: it isn't."""
    text_config = config.get("text_config")
    parts = [config, text_config if isinstance(text_config, dict) else {}]
    for part in parts:
        for key in ("quantization_config", "compression_config"):
            settings = part.get(key)
            if isinstance(settings, dict) and settings:
                return str(settings.get("quant_method", "unknown"))
    return None


def explain_load_error(
    what: Literal["model", "tokenizer"], folder: Path, error: Exception
) -> StudentError:
    """Why transformers can't load it, in one message."""
    reason = shorten_reason(error)
    if isinstance(error, ImportError):
        package = getattr(error, "name", None)
        return StudentError(
            f"the {what} in {folder} needs a package that is not installed",
            got=reason,
            fix=f"pip install {package}"
            if package
            else "install it as the message says",
        )
    if "trust_remote_code" in str(error):
        return StudentError(
            f"the {what} in {folder} brings its own code, which teachback never runs",
            got="auto_map in its files, for a kind of model that transformers lacks",
            allowed=ALLOWED_MODEL,
            fix="choose a model whose code is part of transformers",
        )
    if type(error).__name__ == "SafetensorError":
        return StudentError(
            f"a file of weights in {folder} is damaged or was cut off",
            got=reason,
            allowed="whole *.safetensors files",
            fix="fetch or save the model again",
        )
    if isinstance(error, MemoryError) or "allocate memory" in str(error):
        return StudentError(
            f"the {what} in {folder} doesn't fit into this machine's memory",
            got=reason,
            fix="choose a smaller student, or a machine with more memory",
        )
    fix = "fetch or save the model again, or update transformers"
    if list(folder.glob("*.bin")) and not list(folder.glob("*.safetensors")):
        fix = (
            "save its weights as safetensors: *.bin files are pickles, "
            "which teachback never opens"
        )
    return StudentError(
        f"the {what} in {folder} can't be loaded: {reason}",
        allowed=ALLOWED_MODEL,
        fix=fix,
    )


def shorten_reason(error: Exception) -> str:
    """The error's first lines, with its kind where its text alone says little."""
    text = " ".join(str(error).split())[:MAX_REASON_CHARS]
    if isinstance(error, OSError | ValueError | ImportError) and text:
        return text
    return f"{type(error).__name__}: {text}"


def list_names(names: Iterable[str], separator: str = ", ") -> str:
    """The first names, and how many more there are."""
    listed = list(names)
    text = separator.join(listed[:MAX_NAMES])
    n_more = len(listed) - MAX_NAMES
    return f"{text} and {n_more} more" if n_more > 0 else text
