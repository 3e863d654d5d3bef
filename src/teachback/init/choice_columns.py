"""Finds the options of multiple choice, and how the answer names the right one."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from ..graders.choice import read_options
from ..tasks.cell_error import CellError
from ..tasks.cells import cell_as_text
from ..tasks.options import Correct, Option, find_right_letter, read_option_cells
from .column_names import (
    ANSWER_NAMES,
    FACT_NAMES,
    OPTION_NAMES,
    OPTION_STEMS,
    WRONG_OPTION_NAMES,
    match_names,
    name_forms,
)
from .field_values import is_filled
from .fields import Field

# option_a, Option 1, optionA, ending0, A
NUMBERED_NAME = re.compile(r"(.*?)[\s_.-]*([A-Za-z]|\d{1,2})")
# Of the questions: options that stand in them already.
MIN_INLINE_SHARE = 0.9


@dataclass(frozen=True)
class ChoiceColumns:
    options: tuple[str, ...]
    # None: no column says which option is right.
    answer: str | None = None
    # How the answer may name the right option; several where the rows don't tell.
    corrects: tuple[Correct, ...] = ()


def find_choice(
    fields: Sequence[Field],
    question_cells: Sequence[object],
    answer: str | None,
    user_options: tuple[str, ...],
) -> ChoiceColumns | None:
    """None for rows without options, or whose questions hold them already.

    answer, user_options: the columns that the user named.
    """
    if user_options:
        groups = [user_options]
    elif are_options_inline(question_cells):
        return None
    else:
        groups = [*option_groups(fields)]
    unsure = None
    for group in groups:
        choice = match_answer(group, fields, answer)
        if choice.corrects:
            return choice
        # Lists of other things than options have no answer among them.
        if unsure is None and (user_options or is_named_group(group, fields)):
            unsure = choice
    return unsure


def are_options_inline(question_cells: Sequence[object]) -> bool:
    n_inline = sum(bool(read_options(str(cell))) for cell in question_cells)
    return bool(question_cells) and n_inline >= MIN_INLINE_SHARE * len(question_cells)


def option_groups(fields: Sequence[Field]) -> Iterator[tuple[str, ...]]:
    """Columns that may hold options, the surest first."""
    lists = {field.path: field.name for field in fields if field.kind == "list"}
    named = match_names(lists.values(), OPTION_NAMES)
    for field in fields:
        if field.kind == "options":
            yield (field.path,)
    for name in named:
        yield next((path,) for path, own in lists.items() if own == name)
    yield from wrong_option_groups(fields)
    yield from numbered_groups(fields)
    for path, name in lists.items():
        if name not in named:
            yield (path,)


def wrong_option_groups(fields: Sequence[Field]) -> Iterator[tuple[str, ...]]:
    """correct_answer with distractor1, distractor2, …, or with a list of incorrect_answers."""
    wrong = []
    for field in fields:
        match = NUMBERED_NAME.fullmatch(field.name)
        forms = name_forms(field.name) + (name_forms(match[1]) if match else [])
        is_whole = field.kind in ("scalar", "list") and not field.path.endswith("[0]")
        if is_whole and any(form in WRONG_OPTION_NAMES for form in forms):
            wrong.append(field.path)
    scalars = {field.path: field.name for field in fields if field.kind == "scalar"}
    right = match_names(
        (name for path, name in scalars.items() if path not in wrong), ANSWER_NAMES
    )
    if wrong and right:
        path = next(path for path, name in scalars.items() if name == right[0])
        yield (path, *wrong)


def numbered_groups(fields: Sequence[Field]) -> Iterator[tuple[str, ...]]:
    """A, B, C, D; option_a, option_b; ending0, ending1: two or more without a gap."""
    marks_by_stem: dict[str, dict[str, str]] = {}
    for field in fields:
        match = NUMBERED_NAME.fullmatch(field.path)
        if match is None or field.kind != "scalar":
            continue
        stem, mark = match[1].lower().strip(), match[2].upper()
        marks_by_stem.setdefault(stem, {})[mark] = field.path
    for stem, path_by_mark in marks_by_stem.items():
        if stem in OPTION_STEMS:
            group = without_gap(path_by_mark)
            if len(group) > 1:
                yield group


def without_gap(path_by_mark: Mapping[str, str]) -> tuple[str, ...]:
    """From A, 0 or 1 on."""
    for first in "A01":
        paths = []
        mark = ord(first)
        while chr(mark) in path_by_mark:
            paths.append(path_by_mark[chr(mark)])
            mark += 1
        if len(paths) > 1:
            return tuple(paths)
    return ()


def is_named_group(group: tuple[str, ...], fields: Sequence[Field]) -> bool:
    """Whoever has such columns means options, even if no answer can be found among them."""
    if len(group) > 1:
        return True
    field = next(field for field in fields if field.path == group[0])
    return field.kind == "options" or bool(match_names([field.name], OPTION_NAMES))


def match_answer(
    group: tuple[str, ...], fields: Sequence[Field], answer: str | None
) -> ChoiceColumns:
    """The first column whose values name one of the options in every row that was looked at."""
    option_fields = [field for field in fields if field.path in group]
    ordered = sorted(option_fields, key=lambda field: group.index(field.path))
    cells_by_row = [*zip(*(field.cells for field in ordered), strict=True)]
    try:
        options_by_row = [
            read_option_cells(cells) for cells in cells_by_row if any_cell(cells)
        ]
    except CellError:
        return ChoiceColumns(group)
    if len(options_by_row) != len(cells_by_row):
        return ChoiceColumns(group)
    for field in answer_candidates(fields, group, answer):
        corrects = find_corrects(field, options_by_row)
        if corrects:
            return ChoiceColumns(group, field.path, corrects)
    return ChoiceColumns(group)


def any_cell(cells: Sequence[object]) -> bool:
    return any(cell is not None for cell in cells)


def answer_candidates(
    fields: Sequence[Field], group: tuple[str, ...], answer: str | None
) -> list[Field]:
    """Those with an answer's name first. An option's own column may be the answer too."""
    scalars = [
        field
        for field in fields
        if field.kind == "scalar" and is_filled(field) and not is_within(field, group)
    ]
    if answer is not None:
        return [field for field in scalars if field.path == answer]
    known = match_names((field.name for field in scalars), ANSWER_NAMES)
    named = [field for name in known for field in scalars if field.name == name]
    facts = match_names((field.name for field in scalars), FACT_NAMES)
    others = [
        field
        for field in scalars
        if field not in named and field.path not in group and field.name not in facts
    ]
    return [*named, *others]


def is_within(field: Field, group: tuple[str, ...]) -> bool:
    """The first of a list of options is no answer."""
    starts = [f"{path}{mark}" for path in group for mark in "[."]
    return field.path.startswith(tuple(starts))


def find_corrects(
    field: Field, options_by_row: Sequence[Sequence[Option]]
) -> tuple[Correct, ...]:
    """In which ways all answers name an option. A letter or an option's text is unmistakable."""
    fitting: list[Correct] = []
    for correct in get_args(Correct):
        if all(
            names_option(cell, options, correct)
            for cell, options in zip(field.cells, options_by_row, strict=True)
        ):
            fitting.append(correct)
    if "letter" in fitting:
        return ("letter",)
    if "text" in fitting and not is_number_for_texts(field, options_by_row):
        return ("text",)
    return tuple(correct for correct in fitting if correct != "text")


def names_option(cell: object, options: Sequence[Option], correct: Correct) -> bool:
    try:
        answer = cell_as_text(cell)
        if answer is not None:
            find_right_letter(answer, options, correct)
    except CellError:
        return False
    return True


def is_number_for_texts(
    field: Field, options_by_row: Sequence[Sequence[Option]]
) -> bool:
    """Whole numbers as answers to options that are texts in the file: a place, not an option."""
    are_numbers = all(isinstance(value, int) for value in field.values)
    return are_numbers and not any(map(has_number_options, options_by_row))


def has_number_options(options: Sequence[Option]) -> bool:
    return all(option.text.isdigit() for option in options)
