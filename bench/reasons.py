"""Why our verdict on a GSM8K answer and lm-eval's may differ: a fixed list of reasons.

Each reason has a test that proves it. Ours reads all that follows the last explicit
mark, as an exact number, and counts no answer that was cut off. lm-eval's `strict-match`
takes the digits behind the first "#### ". Its `flexible-extract` takes the last thing
that looks like a number. lm-eval then compares texts.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from teachback.graders.number import read_number
from teachback.types import Grade

STRICT, FLEXIBLE = FILTERS = ("strict-match", "flexible-extract")
MAX_EXAMPLES = 2
NOTHING = "[invalid]"  # lm-eval's extract where a filter finds nothing
UNEXPLAINED = "UNEXPLAINED"
# A gap of two logits in float32: batches of other widths round differently.
NEAR_TIE = 1e-3


class Case(NamedTuple):
    """A text on which the verdicts differ."""

    gold: str
    text: str
    ours: Grade
    filter: str
    # What lm-eval's filter took of the text, and whether it called that right.
    extract: str
    peer_right: bool


class Reason(NamedTuple):
    words: str
    holds: Callable[[Case], bool]


class PeerVerdict(NamedTuple):
    """lm-eval's verdict on a text."""

    prompt: str
    text: str
    # By filter: what it took of the text, and whether that was right.
    extracts: Mapping[str, tuple[str, bool]]


class Row(NamedTuple):
    name: str  # an item's id, or a form's name
    gold: str
    text: str
    ours: Grade
    peer: PeerVerdict


class Difference(NamedTuple):
    row: Row
    filter: str
    reason: str | None


def only_ours(case: Case) -> bool:
    return case.ours.outcome == "right" and not case.peer_right


def only_peer(case: Case) -> bool:
    return case.ours.outcome != "right" and case.peer_right


def bare(extract: str) -> str:
    """What lm-eval compares: without commas, dollars and a full stop at the end."""
    return re.sub(r"\.$", "", re.sub(r"[,$]", "", extract))


def same_value(case: Case) -> bool:
    value = read_number(bare(case.extract))
    return value is not None and value == read_number(case.ours.answer or "")


def is_cut_off(case: Case) -> bool:
    return only_peer(case) and case.ours.outcome == "truncated"


def has_no_mark(case: Case) -> bool:
    unparsed = case.ours.outcome == "unparsed" and case.ours.answer is None
    return only_peer(case) and unparsed


def strict_finds_nothing(case: Case) -> bool:
    return only_ours(case) and case.filter == STRICT and case.extract == NOTHING


def has_no_hashes(case: Case) -> bool:
    return strict_finds_nothing(case) and "####" not in case.text


def has_no_bare_digits(case: Case) -> bool:
    digits = re.search(r"#### -?[\d.,]", case.text)
    return strict_finds_nothing(case) and not digits


def has_earlier_hashes(case: Case) -> bool:
    """strict-match read what follows a "####" before our mark."""
    if case.filter != STRICT:
        return False

    hashes = case.text.find(f"#### {case.extract}")
    mark = case.text.rfind(case.ours.answer or NOTHING) - len("#### ")
    return 0 <= hashes < mark


def differs_as_text(case: Case) -> bool:
    return only_ours(case) and same_value(case) and bare(case.extract) != case.gold


def is_punctuation(case: Case) -> bool:
    digit = re.search(r"\d", case.extract)
    return only_ours(case) and case.filter == FLEXIBLE and not digit


def is_part(case: Case) -> bool:
    """lm-eval read a part of what follows our mark, with another value."""
    extract = bare(case.extract)
    part = bool(extract) and extract in bare(case.ours.answer or "")
    return part and not same_value(case)


def is_later_number(case: Case) -> bool:
    """flexible-extract read what comes after our answer."""
    answer = case.ours.answer or NOTHING
    if case.filter != FLEXIBLE or answer not in case.text:
        return False

    end = case.text.rfind(answer) + len(answer)
    return case.text.rfind(case.extract) >= end


# The first one that holds is reported.
REASONS = {
    "cut off": Reason(
        "ours counts no answer that the token limit cut off (18 might have become 180)",
        is_cut_off,
    ),
    "no mark": Reason(
        "ours takes no number that merely stands last: without a mark there is no final answer",
        has_no_mark,
    ),
    "only hashes": Reason(
        "strict-match knows no mark but '#### ', which lm-eval's own prompt shows and ours "
        "does not ask for",
        has_no_hashes,
    ),
    "bare digits": Reason(
        "strict-match wants digits right behind '#### ': no currency, no bold type",
        has_no_bare_digits,
    ),
    "first hashes": Reason(
        "strict-match takes the first '#### ', ours the last mark",
        has_earlier_hashes,
    ),
    "as text": Reason(
        "lm-eval compares characters, ours values: 18.00 is 18",
        differs_as_text,
    ),
    "punctuation": Reason(
        "flexible-extract takes two characters of punctuation for a number, such as the "
        "'$.' that ends a formula",
        is_punctuation,
    ),
    "a part": Reason(
        "lm-eval reads a part of the marked answer: 2 of 36/2, 18 of '- 18', '18 dozen' "
        "and '19 or 18'",
        is_part,
    ),
    "later number": Reason(
        "flexible-extract takes the last number, ours the marked one",
        is_later_number,
    ),
}

TEXT_REASONS = {
    "stop string": "lm-eval's task file cuts an answer at its stop strings, ours ends at the "
    "end token alone",
    "near tie": f"the student's two best tokens are less than {NEAR_TIE:g} apart there, "
    "within reach of rounding",
    "other text": "the verdicts are of different texts",
}


def find_reason(case: Case) -> str | None:
    """The name of the first reason that holds, or None: nothing explains the difference."""
    for name, reason in REASONS.items():
        if reason.holds(case):
            return name
    return None


def find_differences(rows: Sequence[Row]) -> Iterator[Difference]:
    """Where our verdict is not that of one of lm-eval's filters."""
    for row in rows:
        ours_right = row.ours.outcome == "right"
        for name, (extract, right) in row.peer.extracts.items():
            if ours_right == right:
                continue
            if row.text != row.peer.text:
                yield Difference(row, name, "other text")
                continue
            case = Case(row.gold, row.text, row.ours, name, extract, right)
            yield Difference(row, name, find_reason(case))


def describe_parting(row: Row, stops: Sequence[str], gap: float) -> dict[str, Any]:
    """Where our student's text and lm-eval's part, and why.

    gap: between the two largest logits at that place.
    """
    ours, peer = row.text, row.peer.text
    at = first_difference(ours, peer)
    reason = None
    if any(peer == ours.split(stop)[0] for stop in stops):
        reason = "stop string"
    elif gap < NEAR_TIE:
        reason = "near tie"
    return {
        "id": row.name,
        "reason": reason,
        "at": at,
        "ours": ours[at : at + 30],
        "theirs": peer[at : at + 30],
        "gap": gap,
    }


def first_difference(a: Sequence[Any], b: Sequence[Any]) -> int:
    """The first index where they differ, or the length of the shorter one."""
    for i, (x, y) in enumerate(zip(a, b, strict=False)):
        if x != y:
            return i
    return min(len(a), len(b))


def summarise(rows: Sequence[Row]) -> dict[str, Any]:
    right = {"ours": sum(row.ours.outcome == "right" for row in rows)}
    differences = [*find_differences(rows)]
    agree, by_filter = {}, {}
    for name in FILTERS:
        some = [one for one in differences if one.filter == name]
        right[name] = sum(row.peer.extracts[name][1] for row in rows)
        agree[name] = len(rows) - len(some)
        by_filter[name] = count_reasons(some)
    return {
        "texts": len(rows),
        "right": right,
        "our_outcomes": dict(Counter(row.ours.outcome for row in rows)),
        "agree": agree,
        "differences": by_filter,
    }


def count_reasons(differences: Sequence[Difference]) -> dict[str, Any]:
    """How many differences each reason explains, most frequent first, with examples."""
    by_reason: dict[str, list[Difference]] = {}
    for one in differences:
        by_reason.setdefault(one.reason or UNEXPLAINED, []).append(one)

    most_first = sorted(by_reason.items(), key=lambda item: -len(item[1]))
    return {
        reason: {
            "count": len(some),
            "some": [describe_difference(one) for one in some[:MAX_EXAMPLES]],
        }
        for reason, some in most_first
    }


def describe_difference(one: Difference) -> dict[str, str | None]:
    extract, right = one.row.peer.extracts[one.filter]
    return {
        "of": one.row.name,
        "ours": f"{one.row.ours.answer}: {one.row.ours.outcome}",
        "theirs": f"{extract}: {'right' if right else 'wrong'}",
        "ending": one.row.text[-60:],
    }
