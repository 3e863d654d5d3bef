"""From drafts to rows: how many were left at each stage, why the others were not, and what was
noticed about the rows that were kept.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..report.row_yield import count_reasons, count_stages, join_counts
from ..types import Curation, WordOverlap
from .sources import PageSources

MAX_OVERLAPS = 50
MAX_REASONS = 20
MAX_REASON_ROUNDS = 8  # the latest ones
MAX_CURATION_NOTES = 12


@dataclass(frozen=True)
class FunnelStage:
    name: str
    n: int
    share: float  # of the selected seeds
    refused: str  # what was refused here, by reason


@dataclass(frozen=True)
class ReasonRow:
    reason: str
    counts: tuple[int, ...]  # by round
    total: int


@dataclass(frozen=True)
class Yields:
    stages: tuple[FunnelStage, ...]
    n_unverified: int
    round_columns: tuple[str, ...]
    reasons: tuple[ReasonRow, ...]
    notes: tuple[str, ...]
    n_hidden_notes: int
    overlaps: tuple[WordOverlap, ...]
    n_hidden_overlaps: int


def collect_yields(sources: PageSources) -> Yields | None:
    """None before the first drafts were curated."""
    rounds = [(done.number, done.fresh) for done in sources.rounds if done.fresh]
    if not rounds:
        return None
    rows = [row for _, fresh in rounds for row in fresh.rows]
    notes = [f"round {r}: {note}" for r, fresh in rounds for note in fresh.notes]
    overlaps = [overlap for _, fresh in rounds for overlap in fresh.warnings]
    shown = rounds[-MAX_REASON_ROUNDS:]
    n_selected = sum(len(done.chosen.picks) for done in sources.rounds if done.fresh)
    return Yields(
        stages=tuple(make_funnel(n_selected, [fresh for _, fresh in rounds])),
        n_unverified=sum(not row.verified for row in rows),
        round_columns=tuple(f"round {r}" for r, _ in shown),
        reasons=tuple(list_reasons([fresh for _, fresh in shown])),
        notes=tuple(notes[:MAX_CURATION_NOTES]),
        n_hidden_notes=max(0, len(notes) - MAX_CURATION_NOTES),
        overlaps=tuple(overlaps[:MAX_OVERLAPS]),
        n_hidden_overlaps=max(0, len(overlaps) - MAX_OVERLAPS),
    )


def make_funnel(
    n_selected: int, curations: Sequence[Curation]
) -> Iterator[FunnelStage]:
    """From the selected seeds to the accepted rows; the last stage is those."""
    reasons = Counter[str]()
    n_accepted = 0
    for fresh in curations:
        reasons += count_reasons(fresh.rejected)
        n_accepted += len(fresh.rows)
    n_drafts = n_accepted + reasons.total()
    whole = max(1, n_selected)
    yield FunnelStage("seeds selected", n_selected, n_selected / whole, "")
    yield FunnelStage("drafts", n_drafts, n_drafts / whole, "")
    for name, n_left, refused in count_stages(n_drafts, reasons):
        yield FunnelStage(name, n_left, n_left / whole, join_counts(refused))
    yield FunnelStage("accepted rows", n_accepted, n_accepted / whole, "")


def list_reasons(curations: Sequence[Curation]) -> Iterator[ReasonRow]:
    """The most common categories first, by round."""
    by_round = [count_reasons(fresh.rejected) for fresh in curations]
    total = sum(by_round, Counter[str]())
    for reason, n in total.most_common(MAX_REASONS):
        yield ReasonRow(reason, tuple(counts[reason] for counts in by_round), n)
