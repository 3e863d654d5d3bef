"""A reward model's score of an attempt: any sequence classifier with one output, as
Skywork-Reward and its kin are.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import StudentError
from ..run.directory import Run
from .batching import batch_by_length, micro_batch_tokens
from .chat import encode_text
from .folder import resolve_model
from .loading import choose_device, silence_transformers

if TYPE_CHECKING:
    import torch

REWARD_MODEL_ALLOWED = (
    "a sequence classifier with one output and a chat template, such as Skywork/"
    "Skywork-Reward-V2-Qwen3-0.6B"
)


@dataclass(frozen=True)
class RewardModel:
    """In memory, in evaluation mode. pad: the token that a batch's rows are filled up with, by
    which the model finds their ends; None: it has none, and rows go through it one by one.
    longest: tokens that it can read; None: any.
    """

    model: Any
    tokenizer: Any
    pad: int | None
    longest: int | None
    device: "torch.device"


def resolve_reward_model(model: str, revision: str | None = None) -> tuple[Path, str]:
    """The folder of a reward model, fetched if need be, and its identity, as a student's.

    Raises StudentError.
    """
    if not Path(model).is_dir() and (
        model.count("/") != 1 or model.startswith((".", "/", "~"))
    ):
        allowed = "an existing folder, or ORGANISATION/NAME"
        raise StudentError(
            "the reward model is neither a folder nor a model of the Hub",
            got=model,
            allowed=allowed,
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
    dtype = (
        torch.bfloat16
        if device.type == "cuda" and torch.cuda.is_bf16_supported()
        else torch.float32
    )
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model, info = AutoModelForSequenceClassification.from_pretrained(
            folder, dtype=dtype, output_loading_info=True
        )
    # Of a dozen kinds: files, configs, weights; each means that it can't be loaded.
    except Exception as error:
        what = f"the reward model in {folder} can't be loaded: {error}"
        raise StudentError(what, allowed=REWARD_MODEL_ALLOWED) from error
    check_reward_model(folder, model, tokenizer, sorted(info["missing_keys"]))
    model.config.use_cache = False  # nobody goes on from these rows
    keep_head_in_float32(model)
    config = model.config.get_text_config()
    longest = getattr(config, "max_position_embeddings", None)
    return RewardModel(
        model.to(device).eval(), tokenizer, config.pad_token_id, longest, device
    )


def check_reward_model(
    folder: Path, model: Any, tokenizer: Any, missing: Sequence[str]
) -> None:
    """Raises StudentError. transformers would make up what is missing: a causal LM gets a head of
    random numbers.
    """
    if missing:
        what = (
            f"the model in {folder} is no reward model: weights of a sequence classifier "
            "are not there"
        )
        raise StudentError(
            what,
            got=f"no {', '.join(missing[:5])}",
            allowed=REWARD_MODEL_ALLOWED,
            fix="choose a reward model",
        )
    if model.config.num_labels != 1:
        what = f"the model in {folder} gives more than one score"
        got = f"{model.config.num_labels} outputs"
        raise StudentError(
            what,
            got=got,
            allowed=REWARD_MODEL_ALLOWED,
            fix="choose a reward model, not a classifier of several classes",
        )
    if not tokenizer.chat_template:
        fix = "choose one made from an instruct model, or put a chat_template.jinja into its folder"
        raise StudentError(
            f"the reward model in {folder} has no chat template",
            allowed=REWARD_MODEL_ALLOWED,
            fix=fix,
        )


def keep_head_in_float32(model: Any) -> None:
    """The head in float32: a score of bf16 has 8 bits, and seeds that differ would tie."""
    import torch

    for layer in model.modules():
        if isinstance(layer, torch.nn.Linear) and layer.out_features == 1:
            layer.float().register_forward_pre_hook(
                lambda _, given: (given[0].float(), *given[1:])
            )


def make_reward_function(
    model: str, revision: str | None, run: Run
) -> Callable[[Sequence[tuple[str, str]]], tuple[float, ...]]:
    """compute((question, answer) of each row): their rewards, computed shard by shard within a
    step of the run. The model is loaded when it is needed first.
    """
    load = cache(lambda: load_reward_model(resolve_reward_model(model, revision)[0]))

    def compute_shard(shard: Sequence[tuple[str, str]]) -> list[float]:
        return [float(reward) for reward in compute_rewards(load(), shard)]

    def compute(rows: Sequence[tuple[str, str]]) -> tuple[float, ...]:
        return run.map(compute_shard, rows, of=float, name="reward")

    return compute


def compute_rewards(
    model: RewardModel, rows: Sequence[tuple[str, str]], batch_tokens: int | None = None
) -> np.ndarray[Any, np.dtype[np.float32]]:
    """reward_N in float32: the score of each (question, attempt), in their order, whatever the
    batches.

    As the model's makers use it: one conversation of a user and an assistant, in the model's own
    chat template. Raises StudentError for a row that is longer than the model can read.
    """
    import torch

    tokens = [reward_row_ids(model, question, attempt) for question, attempt in rows]
    reward_N = np.empty(len(rows), dtype=np.float32)
    with torch.inference_mode():
        most = (
            micro_batch_tokens(batch_tokens, model.device)
            if model.pad is not None
            else 1
        )
        for places in batch_by_length([len(row) for row in tokens], most):
            ids_B_T, mask_B_T = filled([tokens[i] for i in places], model.pad or 0)
            given = {
                "input_ids": ids_B_T.to(model.device),
                "attention_mask": mask_B_T.to(model.device),
            }
            reward_N[places] = model.model(**given).logits[:, 0].float().cpu().numpy()
    return reward_N


def reward_row_ids(model: RewardModel, question: str, attempt: str) -> list[int]:
    from jinja2 import TemplateError

    turns = [
        {"role": "user", "content": question},
        {"role": "assistant", "content": attempt},
    ]
    try:
        text = str(model.tokenizer.apply_chat_template(turns, tokenize=False))
    except TemplateError as error:
        what = "the reward model's chat template can't write a question and its answer"
        raise StudentError(what, got=error, allowed=REWARD_MODEL_ALLOWED) from error
    tokens = encode_text(model.tokenizer, text)
    if model.longest is not None and len(tokens) > model.longest:
        what = f"an attempt is too long for the reward model: {question[:60]!r}"
        fix = "lower student.max_new_tokens, or choose a reward model that reads more"
        raise StudentError(
            what,
            got=f"{len(tokens)} tokens",
            allowed=f"at most {model.longest}",
            fix=fix,
        )
    return tokens


def filled(rows: Sequence[Sequence[int]], pad: int) -> tuple[Any, Any]:
    """ids_B_T and mask_B_T, filled up on the right."""
    import torch

    T = max(map(len, rows))
    ids_B_T = torch.tensor([[*row, *[pad] * (T - len(row))] for row in rows])
    mask_B_T = torch.tensor([[1] * len(row) + [0] * (T - len(row)) for row in rows])
    return ids_B_T, mask_B_T
