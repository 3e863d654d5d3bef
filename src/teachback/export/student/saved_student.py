"""The student that is exported: its folder, and what its files say without its weights."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...run.identity import read_today
from ...student.chat import Chat
from ...student.loading import find_end_tokens, load_tokenizer, silence_transformers
from ...student.model_files import check_model_files
from ..exported_run import ExportedRun


@dataclass(frozen=True)
class SavedStudent:
    """A student on disk."""

    folder: Path
    config: Any  # transformers' config of the model
    tokenizer: Any
    ends: frozenset[int]  # the token ids that end an answer


def read_student(folder: Path) -> SavedStudent:
    """Raises StudentError for a folder that holds no student."""
    from transformers import AutoConfig, GenerationConfig

    check_model_files(folder)
    silence_transformers()
    config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    tokenizer = load_tokenizer(folder)
    if (folder / "generation_config.json").exists():
        generation = GenerationConfig.from_pretrained(folder)
    else:
        generation = GenerationConfig.from_model_config(config)
    ends = find_end_tokens(generation, tokenizer, config.vocab_size)
    return SavedStudent(folder, config, tokenizer, ends)


def order_ends(student: SavedStudent) -> list[int]:
    """The end tokens, the tokenizer's own first."""
    own = student.tokenizer.eos_token_id
    return sorted(student.ends, key=lambda token: (token != own, token))


def make_chat(run: ExportedRun) -> Chat:
    """How the run speaks to its student."""
    settings = run.config.student
    return Chat(settings.system, settings.chat_template_kwargs, read_today(run.folder))


def describe_chat(run: ExportedRun) -> list[str]:
    """What a person must know to be answered as the run was."""
    chat = make_chat(run)
    lines = []
    if chat.system is not None:
        lines.append(f"it was taught with the system message {chat.system!r}: send it")
    if chat.options:
        lines.append(
            f"its chat template takes {dict(chat.options)} (student.chat_template_kwargs)"
        )
    if chat.today is not None:
        lines.append(
            f"its chat template writes a date. In the run it was always {chat.today}"
        )
    return lines
