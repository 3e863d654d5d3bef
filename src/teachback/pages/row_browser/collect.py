"""Reads the steps of a run into what the browser shows: seeds, attempts and drafts."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from ...report.replies import ShownCall, collect_pairs, lay_out_exercise
from ...run.history import list_round_folders, read_step
from ...types import (
    Attempts,
    CarryOver,
    CarryOverPair,
    Curation,
    Draft,
    Example,
    GatheredEvidence,
    Pick,
    Row,
    Selection,
    Verdict,
)
from .sources import RowSources

Outcome = Literal["accepted", "rejected", "not finished", "given"]
DraftKey = tuple[str, int]  # (seed, n)


class ShownReply(NamedTuple):
    role: str
    text: str


class ShownAttempt(NamedTuple):
    text: str
    truncated: bool
    right: bool | None  # None: the run's files don't tell


class ShownDraft(NamedTuple):
    """A candidate for the training set, with all that the files say of it."""

    id: str
    round: int | None  # None: a row that the user gave
    seed: str | None
    outcome: Outcome
    pick: Pick | None = None
    question: str | None = None
    text: str | None = None
    answer: str | None = None
    verdict: str | None = None
    reason: str | None = None
    replies: tuple[ShownReply, ...] = ()
    overlaps: tuple[str, ...] = ()
    seed_loss: float | None = None
    row_loss: float | None = None


class RunRows(NamedTuple):
    """All that the browser shows of a run."""

    # Of the whole pool, in its order. Without a question where the pool could not be read.
    seeds: tuple[tuple[str, Example | None], ...]
    attempts: tuple[Mapping[str, ShownAttempt], ...]  # by round, then by seed
    scores: tuple[Mapping[str, float], ...]  # of the whole pool, by round
    drafts: tuple[ShownDraft, ...]
    notes: tuple[str, ...]


class RoundSteps(NamedTuple):
    """What the steps of one round returned. None or empty: they have not finished."""

    number: int
    attempts: Attempts | None
    gathered: GatheredEvidence | None
    selection: Selection | None
    drafts: tuple[Draft, ...] | None
    verdicts: tuple[Verdict, ...]
    curation: Curation | None
    transfer: CarryOver | None


def collect_rows(folder: Path, sources: RowSources) -> RunRows:
    rounds = [
        read_round_steps(round_folder, number)
        for number, round_folder in enumerate(list_round_folders(folder))
    ]
    given: tuple[Row, ...] = read_step(folder / "round-00", "given") or ()
    pairs = collect_pairs(folder, sources.replies, sources.read_text, None, False)
    calls = {(pair.seed, pair.n): pair.calls for pair in pairs}
    drafts = [describe_given(row) for row in given]
    for one in rounds:
        drafts += describe_drafts(one, calls)
    return RunRows(
        order_seeds(rounds, sources),
        tuple(map(describe_attempts, rounds)),
        tuple(dict(one.selection.scores) if one.selection else {} for one in rounds),
        tuple(drafts),
        sources.notes,
    )


def read_round_steps(round_folder: Path, number: int) -> RoundSteps:
    return RoundSteps(
        number,
        attempts=read_step(round_folder, "attempt"),
        gathered=read_step(round_folder, "gather"),
        selection=read_step(round_folder, "select"),
        drafts=read_step(round_folder, "generate"),
        verdicts=read_step(round_folder, "verify") or (),
        curation=read_step(round_folder, "curate"),
        transfer=read_step(round_folder, "transfer"),
    )


def order_seeds(
    rounds: list[RoundSteps], sources: RowSources
) -> tuple[tuple[str, Example | None], ...]:
    """The pool as the attempts have it; before there are any, as the task has it."""
    examples = {seed.id: seed for seed in sources.seeds}
    first = rounds[0].attempts if rounds else None
    ids = [attempt.id for attempt in first.rows] if first else list(examples)
    return tuple((id, examples.get(id)) for id in ids)


def describe_attempts(one: RoundSteps) -> dict[str, ShownAttempt]:
    if one.attempts is None:
        return {}
    graded: dict[str, bool] = {}
    if one.gathered is not None and one.gathered.right:
        graded = dict(zip(one.gathered.seeds, one.gathered.right, strict=True))
    return {
        attempt.id: ShownAttempt(
            attempt.text, attempt.truncated, graded.get(attempt.id)
        )
        for attempt in one.attempts.rows
    }


def describe_given(row: Row) -> ShownDraft:
    return ShownDraft(
        row.id,
        None,
        row.seed,
        "given",
        question=row.question,
        text=row.text,
        answer=row.answer,
    )


def describe_drafts(
    one: RoundSteps, calls: Mapping[DraftKey, tuple[ShownCall, ...]]
) -> Iterator[ShownDraft]:
    """One for each pick, by rank: what was drafted for it, and what became of that."""
    drafts = {(draft.seed, draft.n): draft for draft in one.drafts or ()}
    verdicts = {(verdict.seed, verdict.n): verdict for verdict in one.verdicts}
    fates = find_fates(one)
    overlaps = find_overlaps(one.curation)
    losses = {pair.row: pair for pair in one.transfer.pairs} if one.transfer else {}
    for pick in one.selection.picks if one.selection else ():
        key = (pick.seed, pick.n)
        draft = drafts.get(key)
        outcome, reason = fates.get(key, ("not finished", None))
        if draft is None and one.drafts is not None:
            outcome, reason = "rejected", "not bought: the budget was spent before"
        row_id = f"{pick.seed}#{pick.n}"
        loss: CarryOverPair | None = losses.get(row_id)
        yield ShownDraft(
            row_id,
            one.number,
            pick.seed,
            outcome,
            pick,
            draft.question if draft else None,
            draft.text if draft else None,
            find_answer(draft, verdicts.get(key)),
            describe_verdict(draft, verdicts.get(key)),
            reason,
            shown_replies(draft, calls.get(key, ())),
            overlaps.get(row_id, ()),
            loss.seed_loss if loss else None,
            loss.row_loss if loss else None,
        )


def find_fates(one: RoundSteps) -> dict[DraftKey, tuple[Outcome, str | None]]:
    fates: dict[DraftKey, tuple[Outcome, str | None]] = {}
    checked: list[Draft | Verdict] = [*(one.drafts or ()), *one.verdicts]
    for failed in checked:
        if failed.reason is not None:
            fates[failed.seed, failed.n] = ("rejected", failed.reason)
    if one.curation is None:
        return fates
    for row in one.curation.rows:
        if row.seed is not None:
            fates[row.seed, row.n] = ("accepted", None)
    for rejection in one.curation.rejected:
        fates[rejection.seed, rejection.n] = ("rejected", rejection.reason)
    return fates


def find_overlaps(curation: Curation | None) -> dict[str, tuple[str, ...]]:
    """By row: the questions of dev and test that it shares words with."""
    found: dict[str, tuple[str, ...]] = {}
    for warning in curation.warnings if curation else ():
        line = f"{warning.other}: {warning.other_text}"
        found[warning.row] = (*found.get(warning.row, ()), line)
    return found


def find_answer(draft: Draft | None, verdict: Verdict | None) -> str | None:
    """The final answer: what checking read, else what a program says."""
    if verdict is not None and verdict.answer is not None:
        return verdict.answer
    return draft.answer if draft else None


def describe_verdict(draft: Draft | None, verdict: Verdict | None) -> str:
    if draft is None or draft.reason is not None:
        return "nothing to check"
    if verdict is None:
        return "not checked yet"
    if verdict.reason is not None:
        return "can't be used"
    if verdict.verified:
        return "verified"
    return "can be read, but nothing here can prove the answer"


def shown_replies(
    draft: Draft | None, calls: tuple[ShownCall, ...]
) -> tuple[ShownReply, ...]:
    return tuple(ShownReply(call.role, reply_text(draft, call)) for call in calls)


def reply_text(draft: Draft | None, call: ShownCall) -> str:
    if call.state != "answered":
        return f"({call.state.replace('_', ' ')}: {call.reason or 'no answer yet'})"
    exercise = lay_out_exercise(call.reply)
    if exercise is None:
        return call.reply
    if draft is not None and exercise == f"{draft.question}\n\n{draft.text}":
        return "(exactly the question and the answer above)"
    return exercise
