"""A student behind an OpenAI-compatible server: the same attempts as attempt.py's, decoded by
another process.

The prompt is rendered and tokenized here and sent as token ids to /v1/completions, so that the
student is asked with the tokens it is trained on. Back come token ids and their
log-probabilities: the text is decoded here too.

An answer is whole or an error: token ids, a finite log-probability for each, the end token among
them when the answer ended. vLLM and llama.cpp's llama-server give that (docs/students.md); a
server that leaves something out is refused.
"""

from collections.abc import Sequence
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Any, NamedTuple

from ...errors import StudentError
from ...types import Attempt
from ..attempt import AttemptRequest, decode_text
from ..chat import Chat, HasTokenizer, prompt_ids
from ..loading import find_end_tokens, silence_transformers
from ..sampling import Sampling
from .completion import DecodingOptions, ServerAnswer
from .requests import CompletionRequest, ServerTarget, request_completions

# What a backend can say of an attempt. The others need all logits, the hidden states or the
# weights.
SERVER_SIGNALS = frozenset({"nll", "max_nll", "gap"})

SEED_BITS = (
    30  # n answers take seeds from the first one's upwards, and servers take 31 bits
)


class WeightlessStudent(NamedTuple):
    """What is left of a student whose weights are elsewhere. ends: the token ids that end an
    answer.
    """

    tokenizer: Any
    ends: frozenset[int]


def answer_on_server(
    server: ServerTarget,
    student: HasTokenizer,
    chat: Chat,
    asked: Sequence[AttemptRequest],
    max_new_tokens: int,
    sampling: Sampling | None = None,
    stop: Sequence[str] = (),
) -> list[Attempt]:
    """One answer a question, in the caller's order: what `attempt` would return. student: as
    `reader` makes it.

    With `sampling`, each question's stream gives its request a seed of its own. The nll is at
    temperature 1.
    """
    prompts = [prompt_ids(student, chat, question.message) for question in asked]
    seeds = (
        [seed(draw) for draw in sampling.draws] if sampling else [None] * len(prompts)
    )
    wanted = [
        CompletionRequest(prompt, 1, one)
        for prompt, one in zip(prompts, seeds, strict=True)
    ]
    decoding = DecodingOptions(
        max_new_tokens, sampling.temperature if sampling else 0.0, tuple(stop)
    )
    found = request_completions(server, student, wanted, decoding)
    return [
        summarise(student, q.id, one, decoding.stop)
        for q, (one,) in zip(asked, found, strict=True)
    ]


def samples_on_server(
    server: ServerTarget,
    student: HasTokenizer,
    chat: Chat,
    asked: Sequence[AttemptRequest],
    k: int,
    max_new_tokens: int,
    sampling: Sampling,
) -> list[list[Attempt]]:
    """k sampled answers to each question, by one request each (n: k): its prompt is read once.

    The question's stream seeds the request. The j-th answer depends on that seed and j only, as
    far as the server's sums do not depend on what else is in its batch.
    """
    wanted = [
        CompletionRequest(prompt_ids(student, chat, question.message), k, seed(draw))
        for question, draw in zip(asked, sampling.draws, strict=True)
    ]
    found = request_completions(
        server, student, wanted, DecodingOptions(max_new_tokens, sampling.temperature)
    )
    return [
        [summarise(student, q.id, one) for one in many]
        for q, many in zip(asked, found, strict=True)
    ]


def seed(draw: Random) -> int:
    return draw.getrandbits(SEED_BITS)


def load_weightless_student(folder: Path) -> WeightlessStudent:
    """Raises StudentError for a folder that `load` would not take."""
    from transformers import AutoConfig, AutoTokenizer, GenerationConfig

    class Weightless(NamedTuple):
        generation_config: Any

    silence_transformers()
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        if (folder / "generation_config.json").exists():
            generation = GenerationConfig.from_pretrained(folder)
        else:
            generation = GenerationConfig.from_model_config(
                AutoConfig.from_pretrained(folder)
            )
    except (OSError, ValueError, KeyError) as error:
        raise StudentError(
            f"the tokenizer in {folder} can't be loaded: {error}"
        ) from error
    if not tokenizer.chat_template:
        raise StudentError(
            f"the student in {folder} has no chat template",
            fix="choose the model's instruct version",
        )
    return WeightlessStudent(
        tokenizer, find_end_tokens(Weightless(generation), tokenizer)
    )


def summarise(
    student: HasTokenizer, id: str, answer: ServerAnswer, stop: Sequence[str] = ()
) -> Attempt:
    return Attempt(
        id=id,
        text=decode_text(student, answer.tokens, stop),
        n_tokens=len(answer.tokens),
        truncated=not answer.ended,
        nll=fmean(answer.nll),
        max_nll=max(answer.nll),
        gap=fmean(answer.gap) if answer.gap is not None else None,
    )
