"""How many tokens a student can read, and the questions that are too long for it."""

from typing import Any

from ..errors import StudentError


def find_context_length(config: Any) -> int | None:
    """Tokens of prompt and answer together; None: the model's config names no limit."""
    text_config = config.get_text_config(decoder=True)
    for name in ("max_position_embeddings", "max_seq_len", "n_positions"):
        length = getattr(text_config, name, None)
        if isinstance(length, int) and length > 0:
            return length
    return None


def check_fits_context(
    max_tokens: int | None, n_prompt: int, n_answer: int, message: str
) -> None:
    """Raises StudentError for a question whose prompt and answer are longer than the context.

    Positions beyond it have no embedding, or one that was never trained.
    """
    if max_tokens is None or n_prompt + n_answer <= max_tokens:
        return
    raise StudentError(
        f"a question is too long for the student's context: {message[:60]!r}",
        got=f"{n_prompt} tokens of prompt and {n_answer} for the answer",
        allowed=f"{max_tokens} tokens in all",
        fix="lower student.max_new_tokens, take the question out, "
        "or choose a student with a longer context",
    )
