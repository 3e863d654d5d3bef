r"""Answers in LaTeX that hold several values: tuples, intervals, lists and sets."""

import re

NAME_BEFORE_VALUE = re.compile(
    r"(?:[a-zA-Z](?:_\{?\w\}?)?|\([a-zA-Z](?:\s*,\s*[a-zA-Z])+\))\s*"
    r"(?:\\in(?![a-zA-Z])|=)\s*(?=[\[({\\])"
)
BRACKET_DEPTH = {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}


def split_brackets(value: str) -> tuple[str, list[str]]:
    r"""The brackets around a value, and its entries: "(1,2]" gives "(]" and 1, 2.

    "1,2" and "\{1,2\}" are sets: "{}". A value of one entry has no brackets (""), as it is for
    the parser; so is a union of intervals.
    """
    value = NAME_BEFORE_VALUE.sub("", value, count=1)
    for left, right, brackets in ((r"\{", r"\}", "{}"), (r"\langle", r"\rangle", "<>")):
        if value.startswith(left) and value.endswith(right):
            inside = value[len(left) : -len(right)]
            if right not in inside:
                return brackets, expand_plus_minus(split_list(inside))

    if value[:1] in "([" and value[-1:] in ")]" and value and is_one_bracket(value):
        entries = split_list(value[1:-1])
        if len(entries) == 1:
            return "", [value]
        return value[0] + value[-1], entries

    entries = expand_plus_minus(split_list(value))
    if len(entries) == 1:
        return "", [value]
    return "{}", entries


def is_one_bracket(value: str) -> bool:
    """Whether the bracket that opens first is the one that closes last."""
    depth = 0
    for position, character in enumerate(value):
        depth += BRACKET_DEPTH.get(character, 0)
        if depth == 0:
            return position == len(value) - 1
    return False


def split_list(value: str) -> list[str]:
    """Splits at the commas and semicolons that are in no brackets."""
    depth = 0
    entries = [""]
    for character in value:
        depth += BRACKET_DEPTH.get(character, 0)
        if character in ",;" and depth <= 0:
            entries.append("")
        else:
            entries[-1] += character
    return [entry.strip() for entry in entries]


def expand_plus_minus(entries: list[str]) -> list[str]:
    r"""a \pm b is two values."""
    expanded = []
    for entry in entries:
        if entry.count(r"\pm") == 1:
            expanded += [entry.replace(r"\pm", sign, 1) for sign in "+-"]
        else:
            expanded.append(entry)
    return [entry.strip().removeprefix("+").strip() for entry in expanded]
