"""What the values of a field look like: texts, questions, worked solutions, numbers of rows."""

import re
from collections.abc import Sequence
from itertools import pairwise

from ..graders.final import final_answer
from .fields import Field

# Texts that are longer at the median are worked solutions, not answers.
MAX_SHORT_ANSWER_CHARS = 100
# Of a column of worked solutions: a few may lack their marked answer.
MIN_MARKED_SHARE = 0.9
MIN_QUESTION_WORDS = 3
# With fewer, numbers with a step above 1 may be answers.
MIN_NUMBERED_ROWS = 1000
# Of a text in a script without spaces.
MIN_QUESTION_CHARS = 8
QUESTION_MARK = re.compile("[?？؟]")
WIDE_LETTER = re.compile("[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
SQL_START = re.compile(
    r"\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH|CREATE)\s", re.IGNORECASE
)


def is_text_field(field: Field) -> bool:
    """Most rows have a text in it."""
    n_texts = sum(isinstance(cell, str) and bool(cell.strip()) for cell in field.cells)
    return field.kind == "scalar" and 2 * n_texts > len(field.cells)


def has_texts(field: Field) -> bool:
    """Some rows have a text in it, and no row has anything else."""
    return field.kind == "scalar" and all(isinstance(v, str) for v in field.values)


def is_varied_field(field: Field) -> bool:
    n_different = len({str(cell) for cell in field.cells})
    return 2 * n_different > len(field.cells)


def is_constant_field(field: Field) -> bool:
    return len(field.cells) > 1 and len({str(cell) for cell in field.cells}) == 1


def is_filled(field: Field) -> bool:
    """Has a value in at least half of the rows."""
    return 2 * sum(bool(str(value).strip()) for value in field.values) >= len(
        field.cells
    )


def is_worked_column(values: Sequence[object]) -> bool:
    """Nearly all are texts that end in a marked answer: "#### 18", \\boxed{18}, "Answer: 18"."""
    texts = [value for value in values if isinstance(value, str)]
    n_marked = sum(final_answer(text) is not None for text in texts)
    return bool(texts) and n_marked >= MIN_MARKED_SHARE * len(values)


def is_long_column(values: Sequence[object]) -> bool:
    return median_length(values) > MAX_SHORT_ANSWER_CHARS


def median_length(values: Sequence[object]) -> int:
    lengths = sorted(len(str(value)) for value in values)
    return lengths[len(lengths) // 2] if lengths else 0


def is_asking(field: Field) -> bool:
    """Most texts have a question mark."""
    n_asking = sum(
        QUESTION_MARK.search(str(value)) is not None for value in field.values
    )
    return 2 * n_asking > len(field.values)


def is_wordy(field: Field) -> bool:
    """Most texts are sentences, not labels or names."""
    n_wordy = sum(is_sentence(str(value)) for value in field.values)
    return 2 * n_wordy > len(field.values)


def is_sentence(text: str) -> bool:
    if len(text.split()) >= MIN_QUESTION_WORDS:
        return True
    return WIDE_LETTER.search(text) is not None and len(text) >= MIN_QUESTION_CHARS


def is_sql(field: Field) -> bool:
    n_sql = sum(SQL_START.match(str(value)) is not None for value in field.values)
    return bool(field.values) and n_sql >= MIN_MARKED_SHARE * len(field.values)


def is_row_number(field: Field) -> bool:
    """0, 1, 2, … in the order of the rows. Of a large file every n-th row is looked at: n, 2n, …"""
    numbers = [str(value) for value in field.values]
    if len(numbers) < 2 or not all(number.isdigit() for number in numbers):
        return False
    steps = {int(b) - int(a) for a, b in pairwise(numbers)}
    is_even = len(steps) == 1 and min(steps) > 0
    return is_even and (steps == {1} or len(numbers) >= MIN_NUMBERED_ROWS)


def has_own_values(field: Field) -> bool:
    """Every row has a value of its own."""
    values = [str(value) for value in field.values]
    return len(set(values)) == len(values) == len(field.cells)
