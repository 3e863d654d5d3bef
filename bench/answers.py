"""Real final answers, written another way (the value stays) or changed a little (it doesn't)."""

import json
import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from teachback.types import Example

UNITLESS = re.compile(r"-?\d+(?:\.\d+)?")
PAIR = re.compile(r"\(([^(),\[\]]+),([^(),\[\]]+)\)")
PLAIN_LIST = re.compile(r"[^()\[\]{}\\,]+(?:, *[^()\[\]{}\\,]+)+")
POSITIVE = re.compile(
    r"(?:\\\$ ?)?[\d.,\\!]*[1-9][\d.,\\!]*|\\d?frac\{\d+\}\{\d+\}|\d*\\sqrt\{\d+\}"
)
THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+")


def examples(path: Path) -> list[Example]:
    rows = [
        json.loads(line)
        for line in path.read_text(encoding="utf-8").split("\n")
        if line
    ]
    return [
        Example(row["id"], row["question"], row["answer"], row["solution"])
        for row in rows
    ]


def sample(pool: list[Example], count: int) -> list[Example]:
    """The same ones every time, whatever the order of the file."""
    return sorted(pool, key=lambda one: sha256(one.id.encode()).digest())[:count]


def rewritten(gold: str) -> Iterator[tuple[str, str]]:
    """What was done, and the same value in other words."""
    if r"\frac" in gold:
        yield "dfrac", gold.replace(r"\frac", r"\dfrac")
    if r"\dfrac" in gold:
        yield "frac", gold.replace(r"\dfrac", r"\frac")
    if r"\left" in gold:
        yield "no left, right", re.sub(r"\\left(?=[(\[])|\\right(?=[)\]])", "", gold)
    elif PAIR.fullmatch(gold) or re.fullmatch(r"\([^()\[\]]*\)", gold):
        yield "left, right", rf"\left{gold[:-1]}\right{gold[-1]}"
    if "text" not in gold and not THOUSANDS.fullmatch(gold):
        yield "spaces", re.sub(r"(?<=[-+=,()])(?![,)])", " ", gold)
    yield "dollars", f"${gold}$"
    if UNITLESS.fullmatch(gold):
        yield "unit", rf"{gold} \text{{ cm}}"
        yield "named", f"x = {gold}"
        yield "zeros", f"{gold}.00" if "." not in gold else f"{gold}0"
        yield "fraction", fraction(gold)
    if re.fullmatch(r"-?\d{4,}", gold):
        yield "comma", f"{int(gold):,}"
    if found := re.fullmatch(r"(-?)\\d?frac\{(\d+)\}\{(\d+)\}", gold):
        sign, over, under = found.groups()
        yield "slash", f"{sign}{over}/{under}"
        yield "doubled", rf"{sign}\frac{{{2 * int(over)}}}{{{2 * int(under)}}}"
        if (10**6 * int(over)) % int(under) == 0:
            yield "decimal", f"{sign}{int(over) / int(under)}"
    if PLAIN_LIST.fullmatch(gold) and not THOUSANDS.fullmatch(gold) and "=" not in gold:
        yield (
            "reordered",
            ", ".join(reversed([part.strip() for part in gold.split(",")])),
        )


def fraction(number: str) -> str:
    whole, _, decimals = number.lstrip("-").partition(".")
    sign = "-" if number.startswith("-") else ""
    return rf"{sign}\frac{{{3 * int(whole + decimals)}}}{{{3 * 10 ** len(decimals)}}}"


def near_misses(gold: str) -> Iterator[tuple[str, str]]:
    """What was done, and another value that looks alike."""
    if found := re.search(r"(?<![\d_^{.])(?:[1-9])(?=\d*)", gold):
        at = found.start()
        yield "digit", f"{gold[:at]}{int(gold[at]) % 9 + 1}{gold[at + 1 :]}"
    if POSITIVE.fullmatch(gold) and not PLAIN_LIST.fullmatch(THOUSANDS.sub("1", gold)):
        yield "sign", f"-{gold}"
    if re.fullmatch(r"-(?:\d+|\\d?frac\{\d+\}\{\d+\})", gold):
        yield "sign", gold[1:]
    pair = PAIR.fullmatch(re.sub(r"\\left|\\right", "", gold))
    if pair and pair[1].strip() != pair[2].strip():
        yield "swapped", f"({pair[2]},{pair[1]})"
        yield "set", rf"\{{{pair[1]},{pair[2]}\}}"
    if (last := re.search(r"\d(?=\D*$)", gold)) and re.fullmatch(r"-?[\d.]+", gold):
        yield (
            "last digit",
            f"{gold[: last.start()]}{(int(last[0]) + 1) % 10}{gold[last.end() :]}",
        )
