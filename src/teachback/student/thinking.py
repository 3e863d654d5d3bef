"""How an answer follows a prompt that has opened or closed the student's thinking.

A reasoning model's template writes `<think>` at the prompt's end, or an empty thought where
thinking is switched off, and leaves thoughts out of past turns. What the student is trained
to say must follow the prompt that it is asked.
"""

from ..errors import StudentError

THOUGHT_START = "<think>"
THOUGHT_END = "</think>"


def keeps_thoughts(text: str, answer: str) -> bool:
    """Whether a conversation's text holds all of an answer that thinks.

    Templates may set white space around the thought.
    """
    thought, _, reply = answer.partition(THOUGHT_END)
    parts = [thought.replace(THOUGHT_START, "").strip(), reply.strip()]
    return all(part in text for part in parts)


def check_may_think(prompt_text: str, answer: str) -> None:
    """Raises StudentError for an answer that thinks, after a prompt that has ended it."""
    if prompt_text.rstrip().endswith(THOUGHT_END):
        raise StudentError(
            "an answer thinks, and its prompt has switched thinking off",
            got=repr(answer[:60]),
            allowed=f"an answer without {THOUGHT_END}",
            fix="take the thinking out of the row, or leave the switch out of "
            "student.chat_template_kwargs",
        )


def follow_prompt(prompt_text: str, answer: str) -> str:
    """What the student is to say after the prompt, so that it gives this answer.

    After an open thought it is the answer's own thought, or the end of an empty one.
    """
    if not prompt_text.rstrip().endswith(THOUGHT_START):
        return answer
    if THOUGHT_END in answer:
        return answer.lstrip().removeprefix(THOUGHT_START).lstrip("\n")
    return f"\n{THOUGHT_END}\n\n{answer}"
