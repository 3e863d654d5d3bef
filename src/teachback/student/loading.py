"""Loads a student from its folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import StudentError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class LoadedStudent:
    """A model in memory, in float32 and in evaluation mode."""

    model: Any
    tokenizer: Any
    ends: frozenset[int]  # the token ids that end an answer
    device: "torch.device"


def load_student(folder: Path) -> LoadedStudent:
    """Raises StudentError if the folder is gone, is no causal LM, or has no chat template."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    silence_transformers()
    if not (folder / "config.json").exists():
        raise StudentError(
            f"no student in {folder}",
            fix="its weights were removed: start a new run, or put them back",
        )
    device = choose_device()
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        model = model.to(device).eval()
    except (OSError, ValueError, KeyError) as error:
        raise StudentError(
            f"the model in {folder} can't be loaded: {error}",
            allowed="a causal language model that transformers reads",
        ) from error
    check_chat_template(folder, tokenizer)
    ends = find_end_tokens(model.generation_config, tokenizer)
    return LoadedStudent(model, tokenizer, ends, device)


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


def check_chat_template(folder: Path, tokenizer: Any) -> None:
    """Raises StudentError for a tokenizer that can't write a conversation."""
    if not tokenizer.chat_template:
        raise StudentError(
            f"the student in {folder} has no chat template",
            allowed="an instruct or chat model, "
            "whose tokenizer says how a conversation is written",
            fix="choose the model's instruct version, "
            "or put a chat_template.jinja into its folder",
        )


def find_end_tokens(generation_config: Any, tokenizer: Any) -> frozenset[int]:
    """The tokens that end a turn: the tokenizer's and the generation config's."""
    eos_ids = generation_config.eos_token_id
    if not isinstance(eos_ids, list):
        eos_ids = [eos_ids]
    ids = {tokenizer.eos_token_id, *eos_ids} - {None}
    if not ids:
        raise StudentError(
            "the student has no end token: "
            "neither its tokenizer nor its generation config names one"
        )
    return frozenset(ids)


def silence_transformers() -> None:
    """No progress bars or advice: teachback reports its own progress."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
