"""The student answers questions, in batches, with the signals of the tokens it chose."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..types import Attempt
from .batching import fill_batches
from .chat import Chat, HasTokenizer, prompt_ids, row_ids
from .context import check_fits_context
from .decode import decode_batch
from .decode_log import DecodedAnswer
from .generate import generate_batch
from .inference import InferenceModel
from .sampling import Sampling
from .scoring import summarise_signals
from .sketch import FloatArray, TensorSketch

# Of the keys and values of a batch whose answers are all as long as they may be.
MAX_CACHE_BYTES = 2**31
# Tokens decoded before a stop string: a text's first token may be written differently.
STOP_MARGIN_TOKENS = 4


class AttemptRequest(NamedTuple):
    id: str
    message: str
    target: str | None = None  # an answer to score as well


class AttemptBatch(NamedTuple):
    """N answers."""

    attempts: list[Attempt]
    embedding_N_D: FloatArray  # means of what the head read for the answers' tokens
    # Mean nll in nats of the target's tokens, end token included; None without one.
    target_nll: list[float | None]
    # Sketches of the head's gradients of the answers' mean nll, if there is a sketch.
    gradient_N_M: FloatArray | None = None


def answer_questions(
    student: InferenceModel,
    chat: Chat,
    requests: Sequence[AttemptRequest],
    max_new_tokens: int,
    sampling: Sampling | None = None,
    stop: Sequence[str] = (),
    sketch: TensorSketch | None = None,
) -> AttemptBatch:
    """An answer of at most max_new_tokens tokens to each question, in any order.

    Greedy without `sampling`. A message that occurs several times is read once. Signals
    are the student's own, at temperature 1, however the answer was sampled. An answer
    ends before the first of the `stop` strings; the tokens that made the string count.
    """
    context = student.max_tokens
    prompt_of: dict[str, list[int]] = {}
    for request in requests:
        if request.message not in prompt_of:
            prompt = prompt_ids(student, chat, request.message)
            check_fits_context(context, len(prompt), max_new_tokens, request.message)
            prompt_of[request.message] = prompt
    prompts = [prompt_of[request.message] for request in requests]
    targets = [target_ids(student, chat, request) for request in requests]
    for request, prompt, target in zip(requests, prompts, targets, strict=True):
        check_fits_context(context, len(prompt), len(target), request.message)

    answers = decode_answers(
        student, prompts, max_new_tokens, sampling, stop, targets, sketch
    )
    attempts = [
        summarise_attempt(student, request.id, answer, stop)
        for request, answer in zip(requests, answers, strict=True)
    ]
    gradients = [
        answer.gradient_M for answer in answers if answer.gradient_M is not None
    ]
    return AttemptBatch(
        attempts,
        np.stack([answer.embedding_D for answer in answers]),
        [answer.target_nll for answer in answers],
        np.stack(gradients) if sketch is not None else None,
    )


def target_ids(
    student: InferenceModel, chat: Chat, request: AttemptRequest
) -> Sequence[int]:
    """The tokens of the request's target, or none."""
    if request.target is None:
        return ()
    return row_ids(student, chat, request.message, request.target)[1]


def decode_answers(
    student: InferenceModel,
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int,
    sampling: Sampling | None = None,
    stop: Sequence[str] = (),
    targets: Sequence[Sequence[int]] | None = None,
    sketch: TensorSketch | None = None,
) -> list[DecodedAnswer]:
    """An answer to each prompt, in their order, decoded batch after batch."""
    targets = targets or [()] * len(prompts)
    max_tokens = MAX_CACHE_BYTES // cache_bytes_per_token(student)
    abilities = student.abilities
    decode = decode_batch if abilities.cache == "ours" else generate_batch
    answer_of: dict[int, DecodedAnswer] = {}
    for batch in batch_prompts(
        prompts, max_new_tokens, max_tokens, same_length=not abilities.takes_padding
    ):
        answers = decode(
            student,
            [prompts[i] for i in batch],
            max_new_tokens,
            sampling.of_rows(batch) if sampling else None,
            make_stop_check(student, stop),
            [targets[i] for i in batch],
            sketch,
        )
        answer_of.update(zip(batch, answers, strict=True))
    return [answer_of[i] for i in range(len(prompts))]


def batch_prompts(
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int,
    max_tokens: int,
    *,
    same_length: bool = False,
) -> list[list[int]]:
    """Batches of prompt indices, longest prompts first; equal prompts are neighbours.

    Prompts of one batch have similar lengths, so there is little padding. A batch has at
    most max_tokens tokens, padding and answers included, or one prompt. All batches have
    about the same size: a token costs more where there are only a few rows.
    same_length: all prompts of a batch have the same number of tokens.
    """

    def fill(max_rows: int) -> list[list[int]]:
        def too_large(batch: Sequence[int]) -> bool:
            longest = len(prompts[batch[0]]) + max_new_tokens
            if same_length and len(prompts[batch[0]]) != len(prompts[batch[-1]]):
                return True
            return len(batch) > max_rows or len(batch) * longest > max_tokens

        return list(fill_batches(order, too_large))

    order = sorted(range(len(prompts)), key=lambda i: (-len(prompts[i]), prompts[i]))
    n_batches = len(fill(max_rows=len(order)))
    return fill(max_rows=-(-len(order) // n_batches))


def cache_bytes_per_token(student: InferenceModel) -> int:
    """Bytes of a token's keys and values, as far as the model's config tells."""
    config = student.model.config.get_text_config(decoder=True)
    # Some have layers of different widths.
    layers = getattr(config, "per_layer_config", None)
    if not isinstance(layers, Sequence):
        layers = [config] * config.num_hidden_layers
    number_bytes = 4 if student.precision == "float32" else 2
    return 2 * number_bytes * sum(map(cache_numbers_per_token, layers))


def cache_numbers_per_token(config: Any) -> int:
    """Of a layer's keys, as far as its config tells; 1 where it tells nothing."""
    query_heads = getattr(config, "num_attention_heads", None) or 1
    heads = getattr(config, "num_key_value_heads", None) or query_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // query_heads
    return max(1, int(heads) * int(width))


def make_stop_check(
    student: InferenceModel, stop: Sequence[str]
) -> Callable[[list[int]], bool] | None:
    """Whether the text of some tokens holds a stop string.

    It is called after each token, so it looks at the last tokens first: a stop string of
    n bytes takes at most n tokens.
    """
    if not stop:
        return None
    tail = max(len(string.encode()) for string in stop) + STOP_MARGIN_TOKENS

    def holds_stop(tokens: Sequence[int]) -> bool:
        text = decode_text(student, tokens)
        return any(string in text for string in stop)

    def check_stop(tokens: list[int]) -> bool:
        return holds_stop(tokens[-tail:]) and holds_stop(tokens)

    return check_stop


def decode_text(
    student: HasTokenizer, tokens: Sequence[int], stop: Sequence[str] = ()
) -> str:
    """The text without end tokens, up to the first of the stop strings."""
    words = [token for token in tokens if token not in student.ends]
    text = str(student.tokenizer.decode(words, skip_special_tokens=True))
    ends = [text.find(string) for string in stop if string in text]
    return text[: min(ends, default=len(text))]


def summarise_attempt(
    student: InferenceModel, id: str, answer: DecodedAnswer, stop: Sequence[str]
) -> Attempt:
    signals = summarise_signals(answer.signals, answer.embedding_D)
    return Attempt(
        id=id,
        text=decode_text(student, answer.tokens, stop),
        n_tokens=len(answer.tokens),
        truncated=not answer.has_ended,
        nll=signals.nll,
        max_nll=signals.max_nll,
        entropy=signals.entropy,
        gap=signals.top2_margin,
        egl=signals.egl,
    )
