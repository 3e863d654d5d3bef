"""Estimates how many tokens a student needs for an answer, without a tokenizer."""

import math
import re
from collections.abc import Sequence

from ..types import Example
from .choices import Choices

TOKEN_PIECE = re.compile(r"[A-Za-z]+|\d|[^\sA-Za-z\d]+|\n")
# Most words are shorter, and one token; the count is on the safe side.
LETTERS_PER_TOKEN = 6
LENGTH_QUANTILE = 0.95
# Taken evenly from the file: more don't change the quantile.
MAX_SAMPLE_TEXTS = 5000
LENGTH_MARGIN = 1.15
# For the line "Answer: …" and the end token.
CLOSING_TOKENS = 8
# The estimate is rounded up to a multiple.
TOKENS_STEP = 16
MIN_ANSWER_TOKENS = 32


def estimate_answer_tokens(choices: Choices) -> int | None:
    """Tokens that hold 95 % of the answers that a student learns to give.

    None: the file doesn't show them, since a model writes the solutions.
    """
    texts = training_texts(choices)
    if not texts:
        return None
    step = max(1, len(texts) // MAX_SAMPLE_TEXTS)
    lengths = sorted(estimate_text_tokens(text) for text in texts[::step])
    quantile = lengths[int(LENGTH_QUANTILE * (len(lengths) - 1))]
    n_tokens = LENGTH_MARGIN * quantile + CLOSING_TOKENS
    return max(MIN_ANSWER_TOKENS, TOKENS_STEP * math.ceil(n_tokens / TOKENS_STEP))


def training_texts(choices: Choices) -> Sequence[str]:
    """The file's worked solutions; without any, the answers that a pool hands out alone."""
    examples: Sequence[Example] = choices.survey.examples
    if choices.has_solutions:
        return [e.solution for e in examples if e.solution is not None]
    if choices.has_pool_teacher:
        return [f"Answer: {e.answer}" for e in examples if e.answer is not None]
    return []


def estimate_text_tokens(text: str) -> int:
    n_tokens = 0
    for piece in TOKEN_PIECE.findall(text):
        n_tokens += 1
        if piece.isalpha():
            n_tokens += len(piece) // LETTERS_PER_TOKEN
    return n_tokens
