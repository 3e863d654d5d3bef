"""Worked GSM8K solutions that end the way students end theirs: right, nearly right, and open to argument."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

from bench.reasons import FILTERS, Row
from teachback.tasks import gsm8k
from teachback.types import Example


class Form(NamedTuple):
    """meant: what a careful reader would say; "open" where it depends on what the reader asks for.
    cut_off: the token limit ended it."""

    name: str
    meant: Literal["right", "wrong", "open"]
    text: str
    cut_off: bool = False


def forms(example: Example) -> Iterator[Form]:
    """Each form of one solution. The answer must be a whole number other than 0, so that near misses miss."""
    body = str(gsm8k.target(example)).rpartition("\n")[0]
    x = int(str(example.answer))
    for name, ending in right(x):
        yield Form(name, "right", f"{body}\n{ending}")
    for name, ending in wrong(x):
        yield Form(name, "wrong", f"{body}\n{ending}")
    for name, ending in open_to_argument(x):
        yield Form(name, "open", f"{body}\n{ending}", cut_off=name == "cut off")


def right(x: int) -> Iterator[tuple[str, str]]:
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
    yield "label, went on", f"Answer: {x}\n\nShe needs {other(x)} days for it."
    yield "sentence", f"The answer is {x}."
    yield "sentence, money", f"The answer is ${x}."
    yield "box", rf"\boxed{{{x}}}"
    yield "box in a sentence", rf"The answer is $\boxed{{{x}}}$."
    yield "box, money", rf"\boxed{{\${x}}}"


def wrong(x: int) -> Iterator[tuple[str, str]]:
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


def open_to_argument(x: int) -> Iterator[tuple[str, str]]:
    yield "unmarked", f"So she makes ${x}."
    yield "unmarked, went on", f"She makes ${x} in {other(x)} days."
    yield "dozens", f"Answer: {x} dozen"
    yield "cut off", f"Answer: {x}"


def other(x: int) -> int:
    return 3 if x == 2 else 2


def verdicts(row: Row) -> dict[str, bool]:
    """Who says "right"."""
    return {"ours": row.ours.outcome == "right"} | {
        name: row.theirs.read[name][1] for name in FILTERS
    }


def table(written: Sequence[Form], judged: Sequence[Row]) -> dict[str, dict[str, Any]]:
    """By form: how many texts, and how many of them each calls right."""
    out: dict[str, dict[str, Any]] = {}
    for form, row in zip(written, judged, strict=True):
        line = out.setdefault(
            form.name,
            {"meant": form.meant, "texts": 0, "ours": 0} | dict.fromkeys(FILTERS, 0),
        )
        line["texts"] += 1
        for who, right in verdicts(row).items():
            line[who] += right
    return out


def mistakes_of(
    written: Sequence[Form], judged: Sequence[Row]
) -> dict[str, dict[str, int]]:
    """By judge and form: how many verdicts are not what is meant."""
    out: dict[str, Counter[str]] = {who: Counter() for who in ("ours", *FILTERS)}
    for form, row in zip(written, judged, strict=True):
        for who, right in verdicts(row).items():
            if form.meant != "open" and right != (form.meant == "right"):
                out[who][form.name] += 1
    return {who: dict(counted) for who, counted in out.items()}
