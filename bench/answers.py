"""Real final answers, rewritten: with the same value, or with a slightly different one."""

import json
import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from teachback.types import Example

DECIMAL = re.compile(r"-?\d+(?:\.\d+)?")
INTEGER_OF_FOUR_DIGITS = re.compile(r"-?\d{4,}")
FRACTION = re.compile(r"(-?)\\d?frac\{(\d+)\}\{(\d+)\}")
PAIR = re.compile(r"\(([^(),\[\]]+),([^(),\[\]]+)\)")
PARENTHESES = re.compile(r"\([^()\[\]]*\)")
PLAIN_LIST = re.compile(r"[^()\[\]{}\\,]+(?:, *[^()\[\]{}\\,]+)+")
POSITIVE = re.compile(
    r"(?:\\\$ ?)?[\d.,\\!]*[1-9][\d.,\\!]*|\\d?frac\{\d+\}\{\d+\}|\d*\\sqrt\{\d+\}"
)
NEGATIVE = re.compile(r"-(?:\d+|\\d?frac\{\d+\}\{\d+\})")
THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+")

# The kind of change, and the changed answer.
Changed = tuple[str, str]


def read_examples(path: Path) -> list[Example]:
    lines = path.read_text(encoding="utf-8").split("\n")
    rows = [json.loads(line) for line in lines if line]
    return [
        Example(row["id"], row["question"], row["answer"], row["solution"])
        for row in rows
    ]


def sample_examples(examples: list[Example], count: int) -> list[Example]:
    """The same sample every time, whatever the order of the file."""
    by_hash = sorted(examples, key=lambda one: sha256(one.id.encode()).digest())
    return by_hash[:count]


def equal_answers(gold: str) -> Iterator[Changed]:
    """The same value, written in other ways."""
    yield from equal_latex(gold)
    yield from equal_numbers(gold)
    yield from equal_fractions(gold)
    if is_list(gold) and "=" not in gold:
        parts = [part.strip() for part in gold.split(",")]
        yield "reordered", ", ".join(reversed(parts))


def equal_latex(gold: str) -> Iterator[Changed]:
    if r"\frac" in gold:
        yield "dfrac", gold.replace(r"\frac", r"\dfrac")
    if r"\dfrac" in gold:
        yield "frac", gold.replace(r"\dfrac", r"\frac")
    if r"\left" in gold:
        yield "no left, right", re.sub(r"\\left(?=[(\[])|\\right(?=[)\]])", "", gold)
    elif PAIR.fullmatch(gold) or PARENTHESES.fullmatch(gold):
        yield "left, right", rf"\left{gold[:-1]}\right{gold[-1]}"
    if "text" not in gold and not THOUSANDS.fullmatch(gold):
        yield "spaces", re.sub(r"(?<=[-+=,()])(?![,)])", " ", gold)
    yield "dollars", f"${gold}$"


def equal_numbers(gold: str) -> Iterator[Changed]:
    if DECIMAL.fullmatch(gold):
        yield "unit", rf"{gold} \text{{ cm}}"
        yield "named", f"x = {gold}"
        yield "zeros", f"{gold}0" if "." in gold else f"{gold}.00"
        yield "fraction", as_fraction(gold)
    if INTEGER_OF_FOUR_DIGITS.fullmatch(gold):
        yield "comma", f"{int(gold):,}"


def equal_fractions(gold: str) -> Iterator[Changed]:
    match = FRACTION.fullmatch(gold)
    if match is None:
        return

    sign, over, under = match.groups()
    yield "slash", f"{sign}{over}/{under}"
    yield "doubled", rf"{sign}\frac{{{2 * int(over)}}}{{{2 * int(under)}}}"
    if (10**6 * int(over)) % int(under) == 0:
        yield "decimal", f"{sign}{int(over) / int(under)}"


def as_fraction(number: str) -> str:
    whole, _, decimals = number.lstrip("-").partition(".")
    sign = "-" if number.startswith("-") else ""
    over, under = 3 * int(whole + decimals), 3 * 10 ** len(decimals)
    return rf"{sign}\frac{{{over}}}{{{under}}}"


def is_list(gold: str) -> bool:
    return bool(PLAIN_LIST.fullmatch(gold)) and not THOUSANDS.fullmatch(gold)


def near_misses(gold: str) -> Iterator[Changed]:
    """Other values that look alike."""
    first = re.search(r"(?<![\d_^{.])(?:[1-9])(?=\d*)", gold)
    if first:
        at = first.start()
        digit = int(gold[at]) % 9 + 1
        yield "digit", f"{gold[:at]}{digit}{gold[at + 1 :]}"

    if POSITIVE.fullmatch(gold) and not PLAIN_LIST.fullmatch(THOUSANDS.sub("1", gold)):
        yield "sign", f"-{gold}"
    if NEGATIVE.fullmatch(gold):
        yield "sign", gold[1:]

    pair = PAIR.fullmatch(re.sub(r"\\left|\\right", "", gold))
    if pair and pair[1].strip() != pair[2].strip():
        yield "swapped", f"({pair[2]},{pair[1]})"
        yield "set", rf"\{{{pair[1]},{pair[2]}\}}"

    last = re.search(r"\d(?=\D*$)", gold)
    if last and re.fullmatch(r"-?[\d.]+", gold):
        digit = (int(last[0]) + 1) % 10
        yield "last digit", f"{gold[: last.start()]}{digit}{gold[last.end() :]}"
