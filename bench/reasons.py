"""Why our verdict on a GSM8K answer and lm-eval's may differ: a fixed list, each reason with the test that proves it.

Ours reads the last explicit mark, the whole of what it says, as an exact number, and an answer that was cut off is
none. lm-eval's `strict-match` takes the digits behind the first "#### ", its `flexible-extract` the last thing that
looks like a number; what they took is then compared as text.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from teachback.graders.number import number
from teachback.types import Grade

STRICT, FLEXIBLE = FILTERS = ("strict-match", "flexible-extract")
SHOWN = 2
NOTHING = "[invalid]"  # what lm-eval's filters give where they find nothing
NEAR_TIE = 1e-3  # of two logits, in float32: batches of other widths round differently


class Case(NamedTuple):
    """A text on which the verdicts differ. read: what lm-eval's filter took of it; theirs: whether that was right."""

    gold: str
    text: str
    ours: Grade
    filter: str
    read: str
    theirs: bool


class Reason(NamedTuple):
    words: str
    holds: Callable[[Case], bool]


def only_ours(case: Case) -> bool:
    return case.ours.outcome == "right" and not case.theirs


def only_theirs(case: Case) -> bool:
    return case.ours.outcome != "right" and case.theirs


def bare(read: str) -> str:
    """What lm-eval compares: without commas, dollars and a full stop at the end."""
    return re.sub(r"\.$", "", re.sub(r"[,$]", "", read))


def within(case: Case) -> bool:
    """lm-eval read a part of what our mark says, and another value."""
    said = case.ours.answer or ""
    return (
        bool(bare(case.read)) and bare(case.read) in bare(said) and not same_value(case)
    )


def same_value(case: Case) -> bool:
    read = number(bare(case.read))
    return read is not None and read == number(case.ours.answer or "")


def earlier_hashes(case: Case) -> bool:
    """What lm-eval read stands behind a "####" before what our mark says."""
    return (
        0
        <= case.text.find(f"#### {case.read}")
        < case.text.rfind(case.ours.answer or NOTHING) - len("#### ")
    )


def behind(case: Case) -> bool:
    """What lm-eval read stands behind what our mark says."""
    said = case.ours.answer or NOTHING
    return said in case.text and case.text.rfind(case.read) >= case.text.rfind(
        said
    ) + len(said)


# The first that holds is told.
REASONS = {
    "cut off": Reason(
        "ours counts no answer that the token limit cut off (18 might have become 180)",
        lambda c: only_theirs(c) and c.ours.outcome == "truncated",
    ),
    "no mark": Reason(
        "ours takes no number that merely stands last: without a mark there is no final answer",
        lambda c: (
            only_theirs(c) and c.ours.outcome == "unparsed" and c.ours.answer is None
        ),
    ),
    "only hashes": Reason(
        "strict-match knows no mark but '#### ', which lm-eval's own prompt shows and ours does not ask for",
        lambda c: (
            only_ours(c)
            and c.filter == STRICT
            and c.read == NOTHING
            and "####" not in c.text
        ),
    ),
    "bare digits": Reason(
        "strict-match wants digits right behind '#### ': no currency, no bold type",
        lambda c: (
            only_ours(c)
            and c.filter == STRICT
            and c.read == NOTHING
            and not re.search(r"#### -?[\d.,]", c.text)
        ),
    ),
    "first hashes": Reason(
        "strict-match takes the first '#### ', ours the last mark",
        lambda c: c.filter == STRICT and earlier_hashes(c),
    ),
    "as text": Reason(
        "lm-eval compares characters, ours values: 18.00 is 18",
        lambda c: only_ours(c) and same_value(c) and bare(c.read) != c.gold,
    ),
    "punctuation": Reason(
        "flexible-extract takes two characters of punctuation for a number, such as the '$.' that ends a formula",
        lambda c: (
            only_ours(c) and c.filter == FLEXIBLE and not re.search(r"\d", c.read)
        ),
    ),
    "a part": Reason(
        "lm-eval reads a part of the marked answer: 2 of 36/2, 18 of '- 18', '18 dozen' and '19 or 18'",
        within,
    ),
    "later number": Reason(
        "flexible-extract takes the last number, ours the marked one",
        lambda c: c.filter == FLEXIBLE and behind(c),
    ),
}


def reason(case: Case) -> str | None:
    """The name of the first reason that holds; None for a difference that nothing on the list explains."""
    return next((name for name, one in REASONS.items() if one.holds(case)), None)


TEXT_REASONS = {
    "stop string": "lm-eval's task file cuts an answer at its stop strings, ours ends at the end token alone",
    "near tie": f"the student's two best tokens are less than {NEAR_TIE:g} apart there, within reach of rounding",
    "other text": "the verdicts are of different texts",
}


class Judged(NamedTuple):
    """A text as lm-eval judged it. read: by filter, what that took of the text, and whether it was right."""

    prompt: str
    text: str
    read: Mapping[str, tuple[str, bool]]


class Row(NamedTuple):
    """name: an item's id, or a form's name."""

    name: str
    gold: str
    text: str
    ours: Grade
    theirs: Judged


class Difference(NamedTuple):
    row: Row
    filter: str
    reason: str | None


def differences(rows: Sequence[Row]) -> Iterator[Difference]:
    """Where our verdict is not that of one of lm-eval's filters."""
    for row in rows:
        for name, (read, right) in row.theirs.read.items():
            if (row.ours.outcome == "right") != right:
                same = row.text == row.theirs.text
                why = (
                    reason(Case(row.gold, row.text, row.ours, name, read, right))
                    if same
                    else "other text"
                )
                yield Difference(row, name, why)


def parting(row: Row, stops: Sequence[str], gap: float) -> dict[str, Any]:
    """Where our student's text and lm-eval's part, and why. gap: of the two largest logits there."""
    a, b = row.text, row.theirs.text
    at = next(
        (i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y),
        min(len(a), len(b)),
    )
    cut = any(b == a.split(stop)[0] for stop in stops)
    why = "stop string" if cut else "near tie" if gap < NEAR_TIE else None
    return {
        "id": row.name,
        "reason": why,
        "at": at,
        "ours": a[at : at + 30],
        "theirs": b[at : at + 30],
        "gap": gap,
    }


def facts_of(rows: Sequence[Row]) -> dict[str, Any]:
    right = {name: sum(row.theirs.read[name][1] for row in rows) for name in FILTERS}
    found = [*differences(rows)]
    return {
        "texts": len(rows),
        "right": {"ours": sum(row.ours.outcome == "right" for row in rows)} | right,
        "our_outcomes": dict(Counter(row.ours.outcome for row in rows)),
        "agree": {
            name: len(rows) - sum(one.filter == name for one in found)
            for name in FILTERS
        },
        "differences": {
            name: by_reason([one for one in found if one.filter == name])
            for name in FILTERS
        },
    }


def by_reason(found: Sequence[Difference]) -> dict[str, Any]:
    """How many of each, the most frequent first, and some of them."""
    counted = Counter(one.reason or "UNEXPLAINED" for one in found)
    return {
        why: {
            "count": n,
            "some": [
                shown(one) for one in found if (one.reason or "UNEXPLAINED") == why
            ][:SHOWN],
        }
        for why, n in counted.most_common()
    }


def shown(one: Difference) -> dict[str, str | None]:
    read, right = one.row.theirs.read[one.filter]
    theirs = f"{read}: {'right' if right else 'wrong'}"
    ours = f"{one.row.ours.answer}: {one.row.ours.outcome}"
    return {
        "of": one.row.name,
        "ours": ours,
        "theirs": theirs,
        "ending": one.row.text[-60:],
    }
