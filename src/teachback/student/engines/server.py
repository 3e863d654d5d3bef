"""A student behind an OpenAI-compatible server answers questions, as attempt.py's does here.

The prompt is rendered and tokenized here, and sent as token ids to /v1/completions: the
student sees the tokens that it is trained on. Token ids and their log-probabilities come
back, and the text is decoded here too.

An answer is whole or an error. It has token ids with a finite log-probability each, the
end token among them when the answer ended. vLLM and llama.cpp's llama-server give that
(docs/students.md); a server that leaves something out is refused.
"""

from collections.abc import Sequence
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Any, NamedTuple

from ...types import Attempt
from ..attempt import AttemptRequest, decode_text
from ..chat import Chat, HasTokenizer, prompt_ids
from ..chat_check import check_chat
from ..context import find_context_length
from ..loading import (
    DEFAULT_CHAT,
    find_end_tokens,
    load_tokenizer,
    silence_transformers,
)
from ..model_files import check_model_files, check_packages, explain_load_error
from ..sampling import Sampling
from .completion import DecodingOptions, ServerAnswer
from .requests import CompletionRequest, ServerTarget, request_completions

# What a server can tell of an attempt. Other signals need all logits, the hidden states
# or the weights.
SERVER_SIGNALS = frozenset({"nll", "max_nll", "gap"})

# Servers take 31 bits, and n answers take the seeds from the first one upwards.
SEED_BITS = 30


class WeightlessStudent(NamedTuple):
    """A student whose weights are elsewhere."""

    tokenizer: Any
    ends: frozenset[int]  # the token ids that end an answer
    # Of prompt and answer together; None: no limit is known.
    max_tokens: int | None = None


def answer_on_server(
    server: ServerTarget,
    student: HasTokenizer,
    chat: Chat,
    requests: Sequence[AttemptRequest],
    max_new_tokens: int,
    sampling: Sampling | None = None,
    stop: Sequence[str] = (),
) -> list[Attempt]:
    """One answer to each question, in their order, as `answer_questions` would give.

    student: as `load_weightless_student` makes it. With `sampling`, each question's stream
    gives its request a seed of its own. The nll is at temperature 1 in any case. Raises
    StudentError and ConfigError as `request_completions` does.
    """
    seeds: Sequence[int | None] = [None] * len(requests)
    if sampling is not None:
        seeds = [draw_seed(stream) for stream in sampling.draws]
    completions = []
    for request, seed in zip(requests, seeds, strict=True):
        prompt = prompt_ids(student, chat, request.message)
        completions.append(CompletionRequest(prompt, n=1, seed=seed))
    temperature = sampling.temperature if sampling else 0.0
    decoding = DecodingOptions(max_new_tokens, temperature, tuple(stop))
    answers = request_completions(server, student, completions, decoding)
    return [
        summarise_server_answer(student, request.id, answer, stop)
        for request, (answer,) in zip(requests, answers, strict=True)
    ]


def draw_seed(stream: Random) -> int:
    return stream.getrandbits(SEED_BITS)


def summarise_server_answer(
    student: HasTokenizer, id: str, answer: ServerAnswer, stop: Sequence[str] = ()
) -> Attempt:
    return Attempt(
        id=id,
        text=decode_text(student, answer.tokens, stop),
        n_tokens=len(answer.tokens),
        truncated=not answer.has_ended,
        nll=fmean(answer.nll),
        max_nll=max(answer.nll),
        gap=None if answer.gap is None else fmean(answer.gap),
    )


def load_weightless_student(
    folder: Path, chat: Chat = DEFAULT_CHAT
) -> WeightlessStudent:
    """Raises StudentError for a folder that `load_student` would not take."""
    from transformers import AutoConfig, GenerationConfig

    check_packages()
    silence_transformers()
    check_model_files(folder)
    tokenizer = load_tokenizer(folder)
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
        if (folder / "generation_config.json").exists():
            generation = GenerationConfig.from_pretrained(folder)
        else:
            generation = GenerationConfig.from_model_config(config)
    # Of a dozen kinds, as for a model.
    except Exception as error:
        raise explain_load_error("model", folder, error) from error
    vocabulary = getattr(config.get_text_config(decoder=True), "vocab_size", None)
    student = WeightlessStudent(
        tokenizer,
        find_end_tokens(generation, tokenizer, vocabulary),
        find_context_length(config),
    )
    check_chat(student, chat, folder, vocabulary)
    return student
