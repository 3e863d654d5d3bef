"""A reward model's score of an attempt.

A reward model is any sequence classifier with one output, as Skywork-Reward and its kin are.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import StudentError
from ..run.directory import Run
from .batching import batch_by_length, micro_batch_tokens, pad_rows
from .chat import encode_text
from .folder import is_hub_name, resolve_model
from .loading import choose_device, silence_transformers
from .sketch import FloatArray

if TYPE_CHECKING:
    import torch

REWARD_MODEL_ALLOWED = (
    "a sequence classifier with one output and a chat template, such as Skywork/"
    "Skywork-Reward-V2-Qwen3-0.6B"
)


@dataclass(frozen=True)
class RewardModel:
    """A reward model in memory, in evaluation mode."""

    model: Any
    tokenizer: Any
    # The token that pads a batch's rows, by which the model finds their ends. None: it has
    # none, and rows go through it one by one.
    pad_id: int | None
    # The longest row that it can read; None: any.
    max_tokens: int | None
    device: "torch.device"


def resolve_reward_model(model: str, revision: str | None = None) -> tuple[Path, str]:
    """A reward model's folder, fetched if need be, and its identity, as a student's.

    Raises StudentError.
    """
    if not Path(model).is_dir() and not is_hub_name(model):
        raise StudentError(
            "the reward model is neither a folder nor a model of the Hub",
            got=model,
            allowed="an existing folder, or ORGANISATION/NAME",
        )
    return resolve_model(model, revision)


def load_reward_model(folder: Path) -> RewardModel:
    """In float32 on a CPU; on a GPU in bf16, but for the head.

    Raises StudentError for what is no reward model.
    """
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    silence_transformers()
    device = choose_device()
    has_bf16 = device.type == "cuda" and torch.cuda.is_bf16_supported()
    dtype = torch.bfloat16 if has_bf16 else torch.float32
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        model, info = AutoModelForSequenceClassification.from_pretrained(
            folder,
            dtype=dtype,
            output_loading_info=True,
            trust_remote_code=False,
            use_safetensors=True,
        )
    # Of a dozen kinds: files, configs, weights; each means that it can't be loaded.
    except Exception as error:
        raise StudentError(
            f"the reward model in {folder} can't be loaded: {error}",
            allowed=REWARD_MODEL_ALLOWED,
        ) from error
    check_reward_model(folder, model, tokenizer, sorted(info["missing_keys"]))
    model.config.use_cache = False  # nothing is decoded after these rows
    keep_head_in_float32(model)
    config = model.config.get_text_config()
    return RewardModel(
        model=model.to(device).eval(),
        tokenizer=tokenizer,
        pad_id=config.pad_token_id,
        max_tokens=getattr(config, "max_position_embeddings", None),
        device=device,
    )


def check_reward_model(
    folder: Path, model: Any, tokenizer: Any, missing_keys: Sequence[str]
) -> None:
    """Raises StudentError for what is no reward model.

    Transformers would make up the missing weights: a causal LM gets a head of random
    numbers.
    """
    if missing_keys:
        raise StudentError(
            f"the model in {folder} is no reward model: weights of a sequence classifier "
            "are not there",
            got=f"no {', '.join(missing_keys[:5])}",
            allowed=REWARD_MODEL_ALLOWED,
            fix="choose a reward model",
        )
    if model.config.num_labels != 1:
        raise StudentError(
            f"the model in {folder} gives more than one score",
            got=f"{model.config.num_labels} outputs",
            allowed=REWARD_MODEL_ALLOWED,
            fix="choose a reward model, not a classifier of several classes",
        )
    if not tokenizer.chat_template:
        raise StudentError(
            f"the reward model in {folder} has no chat template",
            allowed=REWARD_MODEL_ALLOWED,
            fix="choose one made from an instruct model, "
            "or put a chat_template.jinja into its folder",
        )


def keep_head_in_float32(model: Any) -> None:
    """Scores in bf16 have 8 bits: seeds that differ would tie."""
    import torch

    def cast_input(head: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return (inputs[0].float(), *inputs[1:])

    for layer in model.modules():
        if isinstance(layer, torch.nn.Linear) and layer.out_features == 1:
            layer.float().register_forward_pre_hook(cast_input)


def make_reward_function(
    model: str, revision: str | None, run: Run
) -> Callable[[Sequence[tuple[str, str]]], tuple[float, ...]]:
    """A function that computes the reward of each (question, answer) row.

    It works shard by shard within a step of the run. The model is loaded when it is needed
    first.
    """

    @cache
    def load() -> RewardModel:
        folder, _ = resolve_reward_model(model, revision)
        return load_reward_model(folder)

    def compute_shard(shard: Sequence[tuple[str, str]]) -> list[float]:
        return [float(reward) for reward in compute_rewards(load(), shard)]

    def compute(rows: Sequence[tuple[str, str]]) -> tuple[float, ...]:
        return run.map(compute_shard, rows, of=float, name="reward")

    return compute


def compute_rewards(
    model: RewardModel, rows: Sequence[tuple[str, str]], batch_tokens: int | None = None
) -> FloatArray:
    """reward_N: the score of each (question, attempt) row, in their order.

    Each row is one conversation of a user and an assistant, in the model's own chat
    template, as the model's makers use it. Raises StudentError for a row that is longer
    than the model can read.
    """
    import torch

    tokens = [reward_row_ids(model, question, attempt) for question, attempt in rows]
    lengths = [len(row) for row in tokens]
    max_tokens = 1  # rows go one by one
    if model.pad_id is not None:
        max_tokens = micro_batch_tokens(batch_tokens, model.device)
    reward_N = np.empty(len(rows), dtype=np.float32)
    with torch.inference_mode():
        for batch in batch_by_length(lengths, max_tokens):
            ids_B_T, mask_B_T = pad_rows([tokens[i] for i in batch], model.pad_id or 0)
            output = model.model(
                input_ids=ids_B_T.to(model.device),
                attention_mask=mask_B_T.to(model.device),
            )
            reward_N[batch] = output.logits[:, 0].float().cpu().numpy()
    return reward_N


def reward_row_ids(model: RewardModel, question: str, attempt: str) -> list[int]:
    """The row's tokens. Raises StudentError."""
    from jinja2 import TemplateError

    turns = [
        {"role": "user", "content": question},
        {"role": "assistant", "content": attempt},
    ]
    try:
        text = str(model.tokenizer.apply_chat_template(turns, tokenize=False))
    except TemplateError as error:
        raise StudentError(
            "the reward model's chat template can't write a question and its answer",
            got=error,
            allowed=REWARD_MODEL_ALLOWED,
        ) from error
    tokens = encode_text(model.tokenizer, text)
    if model.max_tokens is not None and len(tokens) > model.max_tokens:
        raise StudentError(
            f"an attempt is too long for the reward model: {question[:60]!r}",
            got=f"{len(tokens)} tokens",
            allowed=f"at most {model.max_tokens}",
            fix="lower student.max_new_tokens, or choose a reward model that reads more",
        )
    return tokens
