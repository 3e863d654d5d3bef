"""What differs in the seeds that were picked, and in the drafts and rows that came of them."""

from collections.abc import Callable, Iterable, Mapping
from itertools import zip_longest
from typing import NamedTuple

from ...types import Curation, Draft, Pick, Row, Selection, Verdict
from .values import PickChanges, RowChanges, TextPair

MAX_EXAMPLES = 3  # of each kind

_Entries = Mapping[str, "Entry"]


class Entry(NamedTuple):
    """A draft, a verdict on one, or a row."""

    name: str  # whose it is
    question: str | None  # None: it is not known here
    text: str | None
    reason: str | None  # why there is nothing to use


# -- picks ---------------------------------------------------------------------------------


def compare_picks(left: Selection, right: Selection) -> PickChanges:
    selected = [{(pick.seed, pick.n) for pick in side.picks} for side in (left, right)]
    n_common = len(selected[0] & selected[1])
    n_left, n_right = len(left.picks), len(right.picks)
    for rank, (a, b) in enumerate(zip_longest(left.picks, right.picks)):
        if a is None or b is None or (a.seed, a.n) != (b.seed, b.n):
            shown = describe_pick(a), describe_pick(b)
            return PickChanges(n_left, n_right, n_common, rank, *shown)
    return PickChanges(n_left, n_right, n_common, None, None, None)


def describe_pick(pick: Pick | None) -> str | None:
    if pick is None:
        return None
    return pick.seed if pick.score is None else f"{pick.seed} (score {pick.score:.6g})"


# -- drafts and rows -----------------------------------------------------------------------


def compare_drafts(
    left: Iterable[Draft | Verdict], right: Iterable[Draft | Verdict]
) -> RowChanges:
    return compare_entries(*(index_entries(map(draft_entry, s)) for s in (left, right)))


def compare_rows(left: Iterable[Row], right: Iterable[Row]) -> RowChanges:
    return compare_entries(*(index_entries(map(row_entry, s)) for s in (left, right)))


def compare_curations(left: Curation, right: Curation) -> RowChanges:
    return compare_entries(
        *(index_entries(curation_entries(side)) for side in (left, right))
    )


def draft_entry(draft: Draft | Verdict) -> Entry:
    name = name_draft(draft.seed, draft.n)
    return Entry(name, draft.question or None, draft.text or None, draft.reason)


def row_entry(row: Row) -> Entry:
    name = row.id if row.seed is None else name_draft(row.seed, row.n)
    return Entry(name, row.question, row.text, None)


def curation_entries(curation: Curation) -> list[Entry]:
    rejections = [
        Entry(name_draft(rejection.seed, rejection.n), None, None, rejection.reason)
        for rejection in curation.rejected
    ]
    return [*map(row_entry, curation.rows), *rejections]


def name_draft(seed: str, n: int) -> str:
    return f"seed {seed}, selection {n}"


def index_entries(entries: Iterable[Entry]) -> _Entries:
    """By question. Without one, and from its second time on, by whose it is too."""
    indexed: dict[str, Entry] = {}
    for entry in entries:
        key = entry.question or f"({entry.name})"
        indexed[f"{key} ({entry.name})" if key in indexed else key] = entry
    return indexed


def compare_entries(left: _Entries, right: _Entries) -> RowChanges:
    only_left = {key: left[key] for key in left if key not in right}
    only_right = {key: right[key] for key in right if key not in left}
    both = [key for key in left if key in right]
    answers = [key for key in both if left[key].text != right[key].text]
    reasons = [key for key in both if left[key].reason != right[key].reason]
    return RowChanges(
        n_left=len(left),
        n_right=len(right),
        n_only_left=len(only_left),
        n_only_right=len(only_right),
        n_other_answers=len(answers),
        n_other_reasons=len(reasons),
        only_left=show_pairs(only_left, lambda key: (show_entry(left[key]), None)),
        only_right=show_pairs(only_right, lambda key: (None, show_entry(right[key]))),
        other_answers=show_pairs(
            answers, lambda key: (left[key].text, right[key].text)
        ),
        other_reasons=show_pairs(
            reasons, lambda key: (left[key].reason, right[key].reason)
        ),
    )


def show_entry(entry: Entry) -> str:
    if entry.reason is not None:
        return f"refused: {entry.reason}"
    return entry.text or ""


def show_pairs(
    keys: Iterable[str], to_texts: Callable[[str], tuple[str | None, str | None]]
) -> tuple[TextPair, ...]:
    """The first of the questions, each with what the two runs have for it."""
    return tuple(TextPair(key, *to_texts(key)) for key in list(keys)[:MAX_EXAMPLES])
