"""The student answers: in batches, greedy or sampled, with the signals of the tokens that it chose."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ..types import Attempt
from .chat import Chat, Speaker, prompt_ids, row_ids
from .decode import Decoded, Sampling, decode
from .frozen import Frozen
from .signals import Array, summed
from .sketch import Sketch

__all__ = ["Asked", "Attempted", "Sampling", "attempt"]

CACHE_BYTES = (
    2**31
)  # of the keys and values of a batch, were every answer as long as it may be
MARGIN = 4  # tokens before a stop string that are decoded with it: a text's first token may be written differently


class Asked(NamedTuple):
    """target: an answer whose likelihood is asked for too."""

    id: str
    message: str
    target: str | None = None


class Attempted(NamedTuple):
    """N answers, and embedding_N_D: the means of what the head read for their tokens.

    target_nll: mean nll in nats of the targets' tokens, the end token included; None where there was none.
    gradient: sketches of the head's gradients of the answers' mean nll; None where no sketch was asked for.
    """

    attempts: list[Attempt]
    embedding_N_D: Array
    target_nll: list[float | None]
    gradient_N_M: Array | None = None


def attempt(
    student: Frozen,
    chat: Chat,
    asked: Sequence[Asked],
    max_new_tokens: int,
    sampling: Sampling | None = None,
    stop: Sequence[str] = (),
    sketch: Sketch | None = None,
) -> Attempted:
    """One answer a question, of at most max_new_tokens tokens; the questions in any order, one of them or more.

    Greedy without `sampling`. A message that is asked several times is read once. The signals are the student's own
    either way: at temperature 1, whatever was sampled at. An answer ends before the first of the `stop` strings; the
    tokens that made it count. sketch: what the answers' gradients are wanted in, all in the same.
    """
    ids_of = {
        message: prompt_ids(student, chat, message)
        for message in dict.fromkeys(q.message for q in asked)
    }
    prompts = [ids_of[question.message] for question in asked]
    targets = [
        () if q.target is None else row_ids(student, chat, q.message, q.target)[1]
        for q in asked
    ]
    found = answers(student, prompts, max_new_tokens, sampling, stop, targets, sketch)
    return Attempted(
        [
            summarise(student, question.id, decoded, stop)
            for question, decoded in zip(asked, found, strict=True)
        ],
        np.stack([decoded.embedding_D for decoded in found]),
        [decoded.target_nll for decoded in found],
        None
        if sketch is None
        else np.stack(
            [decoded.gradient_M for decoded in found if decoded.gradient_M is not None]
        ),
    )


def answers(
    student: Frozen,
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int,
    sampling: Sampling | None = None,
    stop: Sequence[str] = (),
    targets: Sequence[Sequence[int]] | None = None,
    sketch: Sketch | None = None,
) -> list[Decoded]:
    """An answer to each prompt, in their order; decoded batch after batch."""
    found: dict[int, Decoded] = {}
    targets = targets or [()] * len(prompts)
    for group in batches(
        prompts, max_new_tokens, CACHE_BYTES // bytes_a_token(student)
    ):
        draws = sampling and sampling._replace(draws=[sampling.draws[i] for i in group])
        given, aims = [prompts[i] for i in group], [targets[i] for i in group]
        done = decode(
            student, given, max_new_tokens, draws, stopper(student, stop), aims, sketch
        )
        found.update(zip(group, done, strict=True))
    return [found[i] for i in range(len(prompts))]


def batches(
    prompts: Sequence[Sequence[int]], max_new_tokens: int, most: int
) -> list[list[int]]:
    """Places of rows that are decoded together, by length: one long prompt would pad all others to its own.

    Equal prompts are neighbours. A batch has at most `most` tokens, padding and answers included, or one row.
    """
    order = sorted(range(len(prompts)), key=lambda i: (-len(prompts[i]), prompts[i]))
    return filled(
        prompts, order, max_new_tokens, most, even(prompts, order, max_new_tokens, most)
    )


def even(
    prompts: Sequence[Sequence[int]],
    order: Sequence[int],
    max_new_tokens: int,
    most: int,
) -> int:
    """Rows a batch, such that none is left with a few: a token costs the more the fewer rows there are."""
    return -(
        -len(order) // len(filled(prompts, order, max_new_tokens, most, len(order)))
    )


def filled(
    prompts: Sequence[Sequence[int]],
    order: Sequence[int],
    max_new_tokens: int,
    most: int,
    rows: int,
) -> list[list[int]]:
    """The longest prompts first; the first of a batch is as long as any in it."""
    groups: list[list[int]] = []
    for i in order:
        longest = len(prompts[groups[-1][0]]) + max_new_tokens if groups else 0
        if (
            not groups
            or len(groups[-1]) == rows
            or (len(groups[-1]) + 1) * longest > most
        ):
            groups.append([])
        groups[-1].append(i)
    return groups


def bytes_a_token(student: Frozen) -> int:
    """What the keys and values of a token take, as far as the model's config says how many heads there are."""
    config = student.model.config.get_text_config(decoder=True)
    queries = getattr(config, "num_attention_heads", None) or 1
    heads = getattr(config, "num_key_value_heads", None) or queries
    width = getattr(config, "head_dim", None) or config.hidden_size // queries
    return int(
        2
        * config.num_hidden_layers
        * heads
        * width
        * (4 if student.precision == "float32" else 2)
    )


def stopper(student: Frozen, stop: Sequence[str]) -> Callable[[list[int]], bool] | None:
    """Whether the text of some tokens has a stop string. Asked after each token, so that only the last are looked at:
    a stop string of n bytes is in at most n of them."""
    if not stop:
        return None
    tail = max(len(s.encode()) for s in stop) + MARGIN

    def stops(tokens: list[int]) -> bool:
        return any(s in text_of(student, tokens[-tail:]) for s in stop) and any(
            s in text_of(student, tokens) for s in stop
        )

    return stops


def text_of(student: Speaker, tokens: Sequence[int], stop: Sequence[str] = ()) -> str:
    """Without the end token, and up to the first of the texts that end an answer."""
    words = [token for token in tokens if token not in student.ends]
    text = str(student.tokenizer.decode(words, skip_special_tokens=True))
    return text[
        : min((text.find(one) for one in stop if one in text), default=len(text))
    ]


def summarise(
    student: Frozen, id: str, decoded: Decoded, stop: Sequence[str]
) -> Attempt:
    whole = summed(*decoded.signals, decoded.embedding_D)
    return Attempt(
        id=id,
        text=text_of(student, decoded.tokens, stop),
        n_tokens=len(decoded.tokens),
        truncated=not decoded.ended,
        nll=whole.nll,
        max_nll=whole.max_nll,
        entropy=whole.entropy,
        gap=whole.gap,
        egl=whole.egl,
    )
