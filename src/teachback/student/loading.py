"""Loads a student from its folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import StudentError
from .chat import Chat
from .chat_check import check_chat
from .model_files import (
    check_model_files,
    check_packages,
    explain_load_error,
    list_names,
)

if TYPE_CHECKING:
    import torch

DEFAULT_CHAT = Chat()


@dataclass(frozen=True)
class LoadedStudent:
    """A model in memory, in float32 and in evaluation mode."""

    model: Any
    tokenizer: Any
    ends: frozenset[int]  # the token ids that end an answer
    device: "torch.device"


def load_student(folder: Path, chat: Chat = DEFAULT_CHAT) -> LoadedStudent:
    """Load a student, and check that it can be spoken to as `chat` says.

    Raises StudentError, with the cause, for what is no whole and unquantised causal LM,
    and as `check_chat` does.
    """
    check_packages()
    silence_transformers()
    check_model_files(folder)
    device = choose_device()
    tokenizer = load_tokenizer(folder)
    model = load_causal_model(folder).to(device).eval()
    vocabulary = model.get_input_embeddings().weight.shape[0]
    ends = find_end_tokens(model.generation_config, tokenizer, vocabulary)
    student = LoadedStudent(model, tokenizer, ends, device)
    check_chat(student, chat, folder, vocabulary)
    return student


def load_tokenizer(folder: Path) -> Any:
    """Raises StudentError. Code in the folder is never run."""
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    # Of a dozen kinds: files, packages, formats; each means that it can't be loaded.
    except Exception as error:
        raise explain_load_error("tokenizer", folder, error) from error


def load_causal_model(folder: Path) -> Any:
    """The model in float32, with every weight from its files. Raises StudentError."""
    import torch
    from transformers import AutoModelForCausalLM

    try:
        model, info = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=torch.float32,
            trust_remote_code=False,
            use_safetensors=True,
            # They are refused below, with their names.
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    # Of a dozen kinds: files, configs, packages; each means that it can't be loaded.
    except Exception as error:
        raise explain_load_error("model", folder, error) from error
    check_weights(folder, info)
    return model


def check_weights(folder: Path, info: Mapping[str, Any]) -> None:
    """Raises StudentError for weights that transformers would draw at random.

    info: what transformers tells of the weights that it loaded.
    """
    shapes = [
        f"{name}: {tuple(stored)} in the file, {tuple(expected)} by the config"
        for name, stored, expected in sorted(info["mismatched_keys"])
    ]
    if shapes:
        raise StudentError(
            f"the weights in {folder} have other shapes than its config.json says",
            got=list_names(shapes, "; "),
            allowed="the weights and the config of one model",
            fix="put back the config.json that belongs to the weights",
        )
    missing = sorted(info["missing_keys"])
    if missing:
        raise StudentError(
            f"weights are missing in {folder}: they would be random, "
            "and others at each load",
            got=f"no {list_names(missing)}",
            allowed="every weight of the model",
            fix="fetch or save the model again; if its head shares the embeddings' "
            "weights, its config.json must say tie_word_embeddings: true",
        )


def choose_device() -> "torch.device":
    """A GPU if there is one, without cuDNN's attention kernel.

    Torch may prefer that kernel in bf16. It is reported, and not measured here, to plan
    anew for each length, which adds some 30 ms to each decoded token, and to give NaN
    where padding sees nothing (pytorch issue 196678).
    """
    import torch

    if not torch.cuda.is_available():
        return torch.device("cpu")
    torch.backends.cuda.enable_cudnn_sdp(False)
    return torch.device("cuda")


def empty_gpu_cache() -> None:
    """Give a GPU's freed memory back, so that other processes can use it."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def find_end_tokens(
    generation_config: Any, tokenizer: Any, vocabulary: int | None = None
) -> frozenset[int]:
    """The tokens that end a turn: the tokenizer's and the generation config's.

    vocabulary: how many tokens the model knows; ids beyond them never come.
    """
    eos_ids = generation_config.eos_token_id
    if not isinstance(eos_ids, list):
        eos_ids = [eos_ids]
    ids = {tokenizer.eos_token_id, *eos_ids} - {None}
    known_ids = {id for id in ids if vocabulary is None or 0 <= id < vocabulary}
    if not known_ids:
        raise StudentError(
            "the student has no end token: "
            "neither its tokenizer nor its generation config names one that it knows",
            got=f"eos_token_id: {list_names(map(str, sorted(ids))) or None}",
            allowed="the id of a token"
            + (f" below {vocabulary}" if vocabulary is not None else ""),
            fix="set eos_token in its tokenizer_config.json "
            "or eos_token_id in its generation_config.json",
        )
    return frozenset(known_ids)


def silence_transformers() -> None:
    """No progress bars or advice: teachback reports its own progress."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
