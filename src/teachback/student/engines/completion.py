"""What is read out of a server's completion: tokens and their log-probabilities, or why it can't
be used.

Two forms are understood, both with token ids:

    vLLM        logprobs: {tokens: ["token_id:5", ...], token_logprobs: [...], top_logprobs:
                [{"token_id:5": ...}, ...]}
    llama.cpp   logprobs: {content: [{id: 5, logprob: ..., top_logprobs: [{id: 5, logprob: ...},
                ...]}, ...]}

Nothing is filled in: a student's loss is compared between seeds, and an answer with a token
missing looks easier.
"""

import json
from collections.abc import Callable, Sequence, Set
from math import exp, isfinite
from typing import Any, NamedTuple

from ...errors import StudentError

SMALLEST = -9999.0  # what vLLM sends for a probability of 0
LARGEST = 1e-3  # a log-probability is at most 0, and sums are rounded
NOT_GREEDY = 0.05  # nats that a more likely token may be ahead by: kernels may differ about a tie
MAX_ERROR_CHARS = 300  # characters of what a server says in an error
GOOD = "vLLM and llama.cpp's llama-server do"

Text = Callable[[Sequence[int]], str]  # token ids → their text


class DecodingOptions(NamedTuple):
    """temperature 0 is greedy. stop: texts that end an answer, and are left out of it."""

    max_new_tokens: int
    temperature: float = 0.0
    stop: tuple[str, ...] = ()


class ScoredToken(NamedTuple):
    """A token with its log-probability, and those of the most likely tokens of its position."""

    id: int
    logprob: float
    top: list[float]


class ServerAnswer(NamedTuple):
    """tokens as they were produced, the end token included (if ended by one); their nll in nats
    at temperature 1; the gap p₁−p₂ of the two most likely tokens of each position, None where
    the server doesn't say them all.
    """

    tokens: list[int]
    nll: list[float]
    gap: list[float] | None
    ended: bool


def parse_student_completion(
    body: str, n: int, ends: Set[int], decoding: DecodingOptions, text: Text
) -> list[ServerAnswer]:
    """The n answers of a completion, in their order.

    Raises StudentError with what the server lacks.
    """
    try:
        data = json.loads(body)
        choices = sorted(data["choices"], key=lambda choice: int(choice["index"]))
        told = [told_by(choice["logprobs"]) for choice in choices]
        reasons = [choice["finish_reason"] for choice in choices]
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise lacking(
            "the answer is no completion with log-probabilities",
            f"{error!r} in {body[:MAX_ERROR_CHARS]}",
        ) from error
    if len(told) != n:
        raise lacking(
            f"{n} answers were asked for in one request", f"{len(told)} answers"
        )
    refuse_missing(
        choices, told, (data.get("usage") or {}).get("completion_tokens"), ends, text
    )
    return [
        checked(one, reason, ends, decoding, text)
        for one, reason in zip(told, reasons, strict=True)
    ]


def refuse_missing(
    choices: list[Any],
    told: list[list[ScoredToken]],
    counted: object,
    ends: Set[int],
    text: Text,
) -> None:
    """Every token must have been told.

    Of several answers llama.cpp counts the first one's tokens: then the tokens must make up the
    text.
    """
    total = sum(map(len, told))
    if counted in (total, None):
        return
    words = [
        text([token.id for token in one if token.id not in ends]).strip()
        for one in told
    ]
    alike = words == [str(choice["text"]).strip() for choice in choices]
    if len(told) == 1 or counted != len(told[0]) or not alike:
        raise lacking(
            "not every token that was produced has a log-probability",
            f"{total} log-probabilities of {counted} tokens",
            "(llama.cpp leaves out those of characters that take several tokens, and of stop "
            "texts)",
        )


def told_by(logprobs: Any) -> list[ScoredToken]:
    if not logprobs:
        raise lacking("the server sends no log-probabilities", repr(logprobs))
    if "content" in logprobs:
        return [
            ScoredToken(
                int(token["id"]),
                float(token["logprob"]),
                [float(other["logprob"]) for other in token["top_logprobs"]],
            )
            for token in logprobs["content"]
        ]
    tokens, values = logprobs["tokens"], logprobs["token_logprobs"]
    tops = logprobs.get("top_logprobs") or [None] * len(tokens)
    return [
        ScoredToken(
            token_id(token),
            float(value),
            [float(other) for other in (top or {}).values()],
        )
        for token, value, top in zip(tokens, values, tops, strict=True)
    ]


def token_id(token: str) -> int:
    name, colon, number = token.partition(":")
    if (name, colon) != ("token_id", ":"):
        raise lacking(
            "the server names tokens by their text, which doesn't tell them apart",
            repr(token),
        )
    return int(number)


def checked(
    told: list[ScoredToken],
    reason: object,
    ends: Set[int],
    decoding: DecodingOptions,
    text: Text,
) -> ServerAnswer:
    if not told:
        raise lacking("an answer has no tokens", f"finish_reason {reason}")
    if bad := [
        token
        for token in told
        if not (isfinite(token.logprob) and SMALLEST < token.logprob <= LARGEST)
    ]:
        raise lacking("a log-probability can't be one", str(bad[0].logprob))
    ahead = max(
        (max(token.top, default=token.logprob) - token.logprob for token in told),
        default=0.0,
    )
    if decoding.temperature == 0 and ahead > NOT_GREEDY:
        raise lacking(
            "the server did not choose the most likely token",
            f"another is {ahead:.2f} nats ahead",
        )
    refuse_other_end(told, reason, ends, decoding, text)
    gaps = [gap(token.top) for token in told if len(token.top) >= 2]
    return ServerAnswer(
        [token.id for token in told],
        [-token.logprob for token in told],
        gaps if len(gaps) == len(told) else None,
        reason == "stop",
    )


def refuse_other_end(
    told: list[ScoredToken],
    reason: object,
    ends: Set[int],
    decoding: DecodingOptions,
    text: Text,
) -> None:
    """An answer ends with an end token (or a stop text) and says "stop", or after all its tokens
    and says "length".
    """
    ids = [token.id for token in told]
    if reason == "length":
        if len(ids) < decoding.max_new_tokens:
            got = f"{len(ids)} of {decoding.max_new_tokens} tokens"
            raise lacking(
                "an answer was cut short",
                got,
                "give the server a longer context (--max-model-len, -c)",
            )
        return
    if reason != "stop":
        raise lacking("an answer has no ordinary end", f"finish_reason {reason}")
    if ids[-1] not in ends and not (
        decoding.stop and any(one in text(ids) for one in decoding.stop)
    ):
        got = (
            f"the last token is {ids[-1]}, the student's end tokens are {sorted(ends)}"
        )
        raise lacking(
            "an answer ended without its end token, whose log-probability belongs to the loss",
            got,
        )


def gap(top: list[float]) -> float:
    first, second = sorted(top, reverse=True)[:2]
    return exp(first) - exp(second)


def lacking(what: str, got: str, fix: str = "") -> StudentError:
    return StudentError(
        f"the student's server can't be used: {what}",
        got=got,
        allowed=f"for each token its id and its log-probability: {GOOD}",
        fix=fix,
    )
