"""Multiple choice: puts a row's options into its question, and makes its answer a letter."""

import re
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from string import ascii_uppercase
from typing import Literal, NamedTuple

from ..graders.text import same_text
from .cell_error import CellError
from .cells import cell_as_text, excerpt, parse_nested

# What the column of the answer holds: the option's letter or label, its place from 0, its place
# from 1, or its text.
Correct = Literal["letter", "index", "number", "text"]

LABEL_KEYS = ("label", "labels", "key", "letter", "id")
TEXT_KEYS = ("text", "texts", "value", "content", "option")
# Options that carry their letter already: "A) 21", "(B) 7".
LETTER_OF_OPTION = re.compile(r"\s*\(?([A-Z])[).:]\s*(.+)", re.DOTALL)
WHOLE_NUMBER = re.compile(r"\s*(\d+)(?:\.0+)?\s*")
AROUND_LETTER = " \t()[].:"


class Option(NamedTuple):
    label: str
    text: str


def read_option_cells(cells: Sequence[object]) -> list[Option]:
    """cells: one that holds a list or an object of all options, or one for each option.

    Raises CellError for fewer than two options, and more than letters.
    """
    if len(cells) == 1:
        options = read_option_list(parse_nested(cells[0]))
    else:
        options = make_options(cells)
    if not 2 <= len(options) <= len(ascii_uppercase):
        raise CellError(f"has {len(options)} options")
    return without_own_letters(options)


def read_option_list(value: object) -> list[Option]:
    """["x", "y"], [{"label": "A", "text": "x"}, …], {"label": ["A", …], "text": ["x", …]}, or
    {"A": "x", "B": "y"}.
    """
    if isinstance(value, list):
        if value and all(isinstance(part, dict) for part in value):
            texts = [first_value(part, TEXT_KEYS) for part in value]
            return make_options(
                texts, [first_value(part, LABEL_KEYS) for part in value]
            )
        return make_options(value)
    if isinstance(value, dict):
        listed, labels = first_value(value, TEXT_KEYS), first_value(value, LABEL_KEYS)
        if isinstance(listed, list):
            return make_options(listed, labels if isinstance(labels, list) else None)
        present = {key: text for key, text in value.items() if text is not None}
        return make_options(list(present.values()), list(present))
    raise CellError("holds no options")


def first_value(part: Mapping[str, object], keys: Sequence[str]) -> object:
    return next((part[key] for key in keys if key in part), None)


def make_options(
    values: Sequence[object], labels: Sequence[object] | None = None
) -> list[Option]:
    """Empty values at the end are no options. Raises CellError for one between others."""
    texts = [cell_as_text(value) for value in values]
    while texts and texts[-1] is None:
        texts.pop()
    options = []
    for number, text in enumerate(texts):
        if text is None:
            raise CellError(f"lacks option {number + 1}")
        label = labels[number] if labels and number < len(labels) else None
        default = ascii_uppercase[number % len(ascii_uppercase)]
        options.append(Option(default if label is None else str(label), text))
    return options


def without_own_letters(options: Sequence[Option]) -> list[Option]:
    """ "A) 21" → "21", where each option begins with its own letter."""
    matches = [LETTER_OF_OPTION.fullmatch(option.text) for option in options]
    if any(match is None for match in matches):
        return list(options)
    bare = [Option(match[1], match[2]) for match in matches if match]
    is_ordered = [label for label, _ in bare] == list(ascii_uppercase[: len(bare)])
    return bare if is_ordered else list(options)


def shuffle_options(question: str, options: Sequence[Option]) -> list[Option]:
    """In an order that depends on the texts alone, where the right one always comes first."""

    def order(option: Option) -> bytes:
        return sha256(f"{question}\0{option.text}".encode("utf-8", "replace")).digest()

    ordered = sorted(options, key=order)
    return [Option(ascii_uppercase[n], text) for n, (_, text) in enumerate(ordered)]


def write_options(question: str, options: Sequence[Option]) -> str:
    """Each on a line of its own: (A) …, as the grader `choice` reads them."""
    lines = [
        f"({ascii_uppercase[number]}) {' '.join(option.text.split())}"
        for number, option in enumerate(options)
    ]
    return "\n".join([question, *lines])


def find_right_letter(answer: str, options: Sequence[Option], correct: Correct) -> str:
    """Raises CellError for an answer that is none of the options."""
    place = PLACE_FINDERS[correct](answer, options)
    if place is None or not 0 <= place < len(options):
        listing = "; ".join(f"{label}: {text}" for label, text in options)
        raise CellError(f"{excerpt(answer)} is the {correct} of no option ({listing})")
    return ascii_uppercase[place]


def place_of_label(answer: str, options: Sequence[Option]) -> int | None:
    labels = [option.label.strip(AROUND_LETTER).upper() for option in options]
    label = answer.strip(AROUND_LETTER).upper()
    return labels.index(label) if label in labels else None


def place_from_zero(answer: str, options: Sequence[Option]) -> int | None:
    match = WHOLE_NUMBER.fullmatch(answer)
    return int(match[1]) if match else None


def place_from_one(answer: str, options: Sequence[Option]) -> int | None:
    place = place_from_zero(answer, options)
    return None if place is None else place - 1


def place_of_text(answer: str, options: Sequence[Option]) -> int | None:
    """None if two options read the same: nobody could tell which one is meant."""
    places = [
        n for n, option in enumerate(options) if option.text.strip() == answer.strip()
    ]
    places = places or [
        n for n, option in enumerate(options) if same_text(option.text, answer)
    ]
    return places[0] if len(places) == 1 else None


PLACE_FINDERS: Mapping[Correct, Callable[[str, Sequence[Option]], int | None]] = {
    "letter": place_of_label,
    "index": place_from_zero,
    "number": place_from_one,
    "text": place_of_text,
}
