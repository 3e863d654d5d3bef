"""Writes the section `student`: the model, and how long its answers may be."""

from .answer_length import estimate_answer_tokens
from .choices import Choices
from .yaml_text import with_comment

# A first look stays quick, even where the file's answers are longer.
MAX_STUDENT_TOKENS = 256
UNKNOWN_LENGTH_TOKENS = 256


def compose_student(choices: Choices) -> list[str]:
    return [
        "student:",
        with_comment(
            "  model: smollm2-135m",
            "packaged, small; or a folder, or a name on the Hub (Qwen/Qwen2.5-1.5B-Instruct)",
        ),
        max_new_tokens_line(estimate_answer_tokens(choices)),
    ]


def max_new_tokens_line(answer_tokens: int | None) -> str:
    """answer_tokens: what the file's answers need; None: unknown."""
    n_tokens = min(MAX_STUDENT_TOKENS, answer_tokens or UNKNOWN_LENGTH_TOKENS)
    comment = "holds 95 % of the file's answers, by a rough count"
    if answer_tokens is None:
        comment = "no worked solutions to go by"
    elif answer_tokens > n_tokens:
        comment = (
            f"for a quick look; about {answer_tokens} would hold 95 % of the file's "
            "answers"
        )
    return with_comment(f"  max_new_tokens: {n_tokens}", comment)
