"""Reads a server's completion: tokens with their log-probabilities, or why it can't be used.

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

# What vLLM sends for a probability of 0.
IMPOSSIBLE_LOGPROB = -9999.0
# A log-probability is at most 0, but sums are rounded.
MAX_LOGPROB = 1e-3
# How far a likelier token may be ahead of a greedy one: kernels may differ about a tie.
MAX_GREEDY_LAG_NATS = 0.05
# Of what a server says, in an error.
MAX_ERROR_CHARS = 300
KNOWN_SERVERS = "vLLM and llama.cpp's llama-server do"

DecodeTokens = Callable[[Sequence[int]], str]  # token ids → their text


class DecodingOptions(NamedTuple):
    max_new_tokens: int
    temperature: float = 0.0  # 0 is greedy
    # Texts that end an answer, and are left out of it.
    stop: tuple[str, ...] = ()


class ScoredToken(NamedTuple):
    id: int
    logprob: float
    # Of the likeliest tokens of its position; empty where the server doesn't send them.
    top_logprobs: list[float]


class ServerAnswer(NamedTuple):
    # As they were produced, the end token included if one ended the answer.
    tokens: list[int]
    # Of each token, in nats at temperature 1.
    nll: list[float]
    # p₁ − p₂ of each position's two likeliest tokens; None unless all positions have it.
    gap: list[float] | None
    has_ended: bool  # by an end token or a stop text


def parse_student_completion(
    body: str, n: int, ends: Set[int], decoding: DecodingOptions, decode: DecodeTokens
) -> list[ServerAnswer]:
    """The n answers of a completion, in their order. ends: the student's end tokens.

    Raises StudentError with what the server lacks.
    """
    try:
        completion = json.loads(body)
        choices = sorted(completion["choices"], key=lambda choice: int(choice["index"]))
        token_rows = [parse_tokens(choice["logprobs"]) for choice in choices]
        reasons = [choice["finish_reason"] for choice in choices]
    except (
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        RecursionError,
    ) as error:
        raise make_server_error(
            "the answer is no completion with log-probabilities",
            f"{error!r} in {body[:MAX_ERROR_CHARS]}",
        ) from error

    if len(token_rows) != n:
        raise make_server_error(
            f"{n} answers were asked for in one request", f"{len(token_rows)} answers"
        )
    usage = completion.get("usage") or {}
    n_produced = usage.get("completion_tokens")
    check_token_count(choices, token_rows, n_produced, ends, decode)
    answers = []
    for tokens, reason in zip(token_rows, reasons, strict=True):
        check_tokens(tokens, reason, decoding)
        check_end(tokens, reason, ends, decoding, decode)
        answers.append(make_server_answer(tokens, reason))
    return answers


def parse_tokens(logprobs: Any) -> list[ScoredToken]:
    """The tokens of one choice, in either form."""
    if not logprobs:
        raise make_server_error("the server sends no log-probabilities", repr(logprobs))
    if "content" in logprobs:
        return [parse_llama_token(token) for token in logprobs["content"]]

    names = logprobs["tokens"]
    values = logprobs["token_logprobs"]
    tops = logprobs.get("top_logprobs") or [None] * len(names)
    tokens = []
    for name, value, top in zip(names, values, tops, strict=True):
        top_logprobs = list(map(float, (top or {}).values()))
        tokens.append(ScoredToken(parse_token_id(name), float(value), top_logprobs))
    return tokens


def parse_llama_token(token: Any) -> ScoredToken:
    top_logprobs = [float(top["logprob"]) for top in token["top_logprobs"]]
    return ScoredToken(int(token["id"]), float(token["logprob"]), top_logprobs)


def parse_token_id(name: str) -> int:
    prefix, colon, number = name.partition(":")
    if (prefix, colon) != ("token_id", ":"):
        raise make_server_error(
            "the server names tokens by their text, which doesn't tell them apart",
            repr(name),
        )
    return int(number)


def check_token_count(
    choices: Sequence[Any],
    token_rows: Sequence[Sequence[ScoredToken]],
    n_produced: object,
    ends: Set[int],
    decode: DecodeTokens,
) -> None:
    """Raises StudentError if a token that was produced is not in the completion.

    n_produced: what the server counted; None: it doesn't say.
    """
    n_tokens = sum(map(len, token_rows))
    if n_produced in (n_tokens, None):
        return
    # Of several answers llama.cpp counts the first one's tokens only. Then the tokens
    # must make up the texts.
    counts_first = len(token_rows) > 1 and n_produced == len(token_rows[0])
    texts = [str(choice["text"]).strip() for choice in choices]
    if not counts_first or decode_answer_texts(token_rows, ends, decode) != texts:
        raise make_server_error(
            "not every token that was produced has a log-probability",
            f"{n_tokens} log-probabilities of {n_produced} tokens",
            "(llama.cpp leaves out those of characters that take several tokens, and of stop "
            "texts)",
        )


def decode_answer_texts(
    token_rows: Sequence[Sequence[ScoredToken]], ends: Set[int], decode: DecodeTokens
) -> list[str]:
    """The text of each row, without its end token."""
    texts = []
    for tokens in token_rows:
        ids = [token.id for token in tokens if token.id not in ends]
        texts.append(decode(ids).strip())
    return texts


def check_tokens(
    tokens: Sequence[ScoredToken], reason: object, decoding: DecodingOptions
) -> None:
    """Raises StudentError where an answer's log-probabilities can't be right."""
    if not tokens:
        raise make_server_error("an answer has no tokens", f"finish_reason {reason}")
    for token in tokens:
        is_in_range = IMPOSSIBLE_LOGPROB < token.logprob <= MAX_LOGPROB
        if not (isfinite(token.logprob) and is_in_range):
            raise make_server_error(
                "a log-probability can't be one", str(token.logprob)
            )
    lag = max(
        max(token.top_logprobs, default=token.logprob) - token.logprob
        for token in tokens
    )
    if decoding.temperature == 0 and lag > MAX_GREEDY_LAG_NATS:
        raise make_server_error(
            "the server did not choose the most likely token",
            f"another is {lag:.2f} nats ahead",
        )


def check_end(
    tokens: Sequence[ScoredToken],
    reason: object,
    ends: Set[int],
    decoding: DecodingOptions,
    decode: DecodeTokens,
) -> None:
    """Raises StudentError unless an answer ends as its finish_reason says.

    After "stop" it ends with an end token or a stop text; after "length" it has all of
    max_new_tokens.
    """
    ids = [token.id for token in tokens]
    if reason == "length":
        if len(ids) < decoding.max_new_tokens:
            raise make_server_error(
                "an answer was cut short",
                f"{len(ids)} of {decoding.max_new_tokens} tokens",
                "give the server a longer context (--max-model-len, -c)",
            )
        return
    if reason != "stop":
        raise make_server_error(
            "an answer has no ordinary end", f"finish_reason {reason}"
        )
    if ids[-1] in ends:
        return
    if not decoding.stop or not any(stop in decode(ids) for stop in decoding.stop):
        raise make_server_error(
            "an answer ended without its end token, whose log-probability belongs to the loss",
            f"the last token is {ids[-1]}, the student's end tokens are {sorted(ends)}",
        )


def make_server_answer(tokens: Sequence[ScoredToken], reason: object) -> ServerAnswer:
    gaps = [
        compute_top_gap(token.top_logprobs)
        for token in tokens
        if len(token.top_logprobs) >= 2
    ]
    return ServerAnswer(
        tokens=[token.id for token in tokens],
        nll=[-token.logprob for token in tokens],
        gap=gaps if len(gaps) == len(tokens) else None,
        has_ended=reason == "stop",
    )


def compute_top_gap(top_logprobs: Sequence[float]) -> float:
    """p₁ − p₂ of the two likeliest tokens."""
    first, second = sorted(top_logprobs, reverse=True)[:2]
    return exp(first) - exp(second)


def make_server_error(problem: str, got: str, fix: str = "") -> StudentError:
    return StudentError(
        f"the student's server can't be used: {problem}",
        got=got,
        allowed=f"for each token its id and its log-probability: {KNOWN_SERVERS}",
        fix=fix,
    )
