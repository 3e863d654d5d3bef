"""Worked GSM8K solutions with the endings that students write.

The endings are right, nearly right, or open to argument.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

from bench.reasons import FILTERS, Row
from teachback.tasks import gsm8k
from teachback.types import Example


class Form(NamedTuple):
    name: str
    # What a careful reader would say; "open" where it depends on the reader's question.
    verdict: Literal["right", "wrong", "open"]
    text: str
    # Whether the token limit ended the text.
    cut_off: bool = False


def solution_forms(example: Example) -> Iterator[Form]:
    """Each form of one solution.

    The answer must be a whole number other than 0, or the near misses would not miss.
    """
    body = str(gsm8k.gsm8k_target(example)).rpartition("\n")[0]
    answer = int(str(example.answer))
    for name, ending in right_endings(answer):
        yield Form(name, "right", f"{body}\n{ending}")
    for name, ending in wrong_endings(answer):
        yield Form(name, "wrong", f"{body}\n{ending}")
    for name, ending in open_endings(answer):
        yield Form(name, "open", f"{body}\n{ending}", cut_off=name == "cut off")


def right_endings(x: int) -> Iterator[tuple[str, str]]:
    yield "hashes", f"#### {x}"
    yield "hashes, comma", f"#### {x:,}"
    yield "hashes, money", f"#### ${x}"
    yield "hashes, decimals", f"#### {x}.00"
    yield "hashes, unit", f"#### {x} dollars"
    yield "hashes, corrected", f"#### {x + 1}\nWait, I counted one twice.\n#### {x}"
    yield "label", f"Answer: {x}"
    yield "label, comma", f"Answer: {x:,}"
    yield "label, money", f"Answer: ${x}"
    yield "label, decimals", f"Answer: ${x}.00"
    yield "label, unit", f"Answer: {x} dollars"
    yield "label, bold", f"**Answer: {x}**"
    yield "label, fraction", f"Answer: {2 * x}/2"
    yield "label, went on", f"Answer: {x}\n\nShe needs {other_number(x)} days for it."
    yield "sentence", f"The answer is {x}."
    yield "sentence, money", f"The answer is ${x}."
    yield "box", rf"\boxed{{{x}}}"
    yield "box in a sentence", rf"The answer is $\boxed{{{x}}}$."
    yield "box, money", rf"\boxed{{\${x}}}"


def wrong_endings(x: int) -> Iterator[tuple[str, str]]:
    yield "off by one", f"Answer: {x + 1}"
    yield "ten times", f"#### {x}0"
    yield "a tenth off", f"#### {x}.1"
    yield "minus", f"Answer: -{x}"
    yield "minus, hashes", f"#### -{x}"
    yield "minus, apart", f"Answer: - {x}"
    yield "one of two", f"Answer: {x + 1} or {x}"
    yield "one of two, hashes", f"#### {x} or {x + 1}"
    yield "named and denied", f"Answer: {x + 1}, not {x}"
    yield "first guess", f"Answer: {x + 1}\nMy first guess was {x}."
    yield "changed its mind", f"#### {x}\nWait, I forgot one.\n#### {x + 1}"


def open_endings(x: int) -> Iterator[tuple[str, str]]:
    yield "unmarked", f"So she makes ${x}."
    yield "unmarked, went on", f"She makes ${x} in {other_number(x)} days."
    yield "dozens", f"Answer: {x} dozen"
    yield "cut off", f"Answer: {x}"


def other_number(x: int) -> int:
    return 3 if x == 2 else 2


def graders_right(row: Row) -> dict[str, bool]:
    """By grader: whether it calls the text right."""
    right = {"ours": row.ours.outcome == "right"}
    for name in FILTERS:
        right[name] = row.peer.extracts[name][1]
    return right


def count_by_form(
    forms: Sequence[Form], rows: Sequence[Row]
) -> dict[str, dict[str, Any]]:
    """By form: how many texts there are, and how many each grader calls right."""
    counts: dict[str, dict[str, Any]] = {}
    for form, row in zip(forms, rows, strict=True):
        if form.name not in counts:
            zeros = dict.fromkeys(("texts", "ours", *FILTERS), 0)
            counts[form.name] = {"meant": form.verdict, **zeros}
        count = counts[form.name]
        count["texts"] += 1
        for grader, right in graders_right(row).items():
            count[grader] += right
    return counts


def count_mistakes(
    forms: Sequence[Form], rows: Sequence[Row]
) -> dict[str, dict[str, int]]:
    """By grader and form: how many verdicts are not a careful reader's."""
    mistakes: dict[str, Counter[str]] = {name: Counter() for name in ("ours", *FILTERS)}
    for form, row in zip(forms, rows, strict=True):
        if form.verdict == "open":
            continue
        for grader, right in graders_right(row).items():
            if right != (form.verdict == "right"):
                mistakes[grader][form.name] += 1
    return {grader: dict(counts) for grader, counts in mistakes.items()}
