"""Writes the instruction: it tells the student the form in which the grader reads its answer."""

from collections.abc import Sequence

from .choices import Choices
from .guess import count_boxed

# The `{}` of a task's last line, by grader. Others list their answers, if these are few.
ANSWER_FORM_BY_GRADER = {
    "number": "<number>",
    "math": "<answer>",
    "choice": "<letter>",
    "game24": "<expression> = 24",
}
# Different answers that an instruction lists, and how long each may be.
LABEL_COUNTS = range(2, 7)
MAX_LABEL_CHARS = 30


def write_instruction(choices: Choices) -> str:
    return above_instruction(choices.survey.shared_text, own_instruction(choices))


def above_instruction(shared_text: str | None, instruction: str) -> str:
    """shared_text: what every row says above its question."""
    if shared_text is None:
        return instruction
    separator = "\n\n" if "\n" in shared_text else " "
    return f"{shared_text.strip()}{separator}{instruction}".strip()


def own_instruction(choices: Choices) -> str:
    if choices.grader == "proof":
        return proof_instruction(choices)
    if choices.grader == "judge":
        return first_sentence(choices) if choices.survey.shared_text is None else ""
    start = first_sentence(choices)
    if is_answer_boxed(choices):
        return f"{start} Put the final answer in \\boxed{{}}."
    form = ANSWER_FORM_BY_GRADER.get(choices.grader)
    if form is None:
        examples = choices.survey.answered_examples
        form = label_form([e.answer for e in examples if e.answer is not None])
    return f'{start} End with a last line "Answer: {form}".'


def proof_instruction(choices: Choices) -> str:
    ending = 'End with a last line "Answer: True" or "Answer: False".'
    if not choices.has_solutions:
        return ending
    return (
        "Prove it in sentences like those of the question, one step at a time. "
        f"{ending}"
    )


def first_sentence(choices: Choices) -> str:
    if choices.grader == "game24":
        return "Use each of the four numbers once, with + - * / and parentheses, to make 24."
    # Without solutions, a pool hands out bare answers: the student learns no steps.
    if choices.has_pool_teacher and not choices.has_solutions:
        return "Answer the question."
    return "Solve the problem step by step."


def is_answer_boxed(choices: Choices) -> bool:
    """Most solutions have their answer in a box, and the grader reads it there."""
    if choices.grader not in ("number", "math") or not choices.has_solutions:
        return False
    solved = [e for e in choices.survey.examples if e.solution is not None]
    return 2 * count_boxed(solved) > len(solved)


def label_form(answers: Sequence[str]) -> str:
    """The answers themselves, where they are a few short labels: "<one of: no, yes>"."""
    labels = sorted(set(answers))
    if len(labels) not in LABEL_COUNTS:
        return "<answer>"
    if any(len(label) > MAX_LABEL_CHARS or "\n" in label for label in labels):
        return "<answer>"
    return f"<one of: {', '.join(labels)}>"
