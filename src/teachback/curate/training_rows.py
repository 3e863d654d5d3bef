"""Turns a round's verdicts into training rows. Every refusal has a reason, "category: detail".

The categories made here and in checks.py are "duplicate" and "near duplicate" (of a seed or a row),
"contaminated" (by dev or test) and "conflicting answers" (to one question, of several drafts).
"""

from collections.abc import Callable, Mapping, Sequence

from ..types import Curation, Example, Rejection, Row, Task, Verdict
from .checks import RoundFilter, RowChecks
from .conflicts import AnswersConflict, ConflictFinder, differ_as_texts
from .diversity import collapse_note, diversity


def curate_rows(
    verdicts: Sequence[Verdict],
    rows: Sequence[Row],
    *,
    key: Callable[[str], str],
    forbidden: Mapping[str, str],
    seeds: Sequence[Example] = (),
    checks: RowChecks | None = None,
    conflict: AnswersConflict = differ_as_texts,
) -> Curation:
    """Return the fresh rows in the order of selection, and every refused draft.

    A draft is refused if its key is in `forbidden` (see forbidden_keys), or if an earlier row or an
    earlier draft of this round has the same key. Of drafts of one key that answer differently none
    is kept. With `checks`, a draft that shares too many words with one of those is refused too. The
    fresh rows' diversity is compared with that of `seeds`. conflict: see AnswersConflict.
    """
    label_by_key = dict(forbidden)
    for row in rows:
        label_by_key[key(row.question)] = f"row {row.id}"

    usable = [verdict for verdict in verdicts if verdict.reason is None]
    unseen = [one for one in usable if key(one.question) not in label_by_key]
    conflicts = ConflictFinder(usable, [*seeds, *rows], key, conflict)
    round_filter = None
    if checks:
        questions = [verdict.question for verdict in unseen]
        round_filter = RoundFilter(checks, rows, questions)

    fresh: list[Row] = []
    rejected: list[Rejection] = []
    for verdict in verdicts:
        question_key = key(verdict.question)
        reason = verdict.reason or duplicate_reason(label_by_key.get(question_key))
        if verdict.reason is None:
            reason = conflicts.refusal_reason(verdict, reason)
        if reason is None and round_filter:
            reason = round_filter.refusal_reason(verdict.question)
        if reason is not None:
            rejected.append(Rejection(verdict.seed, verdict.n, reason))
            continue

        row = make_row(verdict)
        fresh.append(row)
        label_by_key[question_key] = f"row {row.id}"
        if round_filter:
            round_filter.accept(row)

    notes = [
        *conflicts.notes(),
        *(round_filter.notes(len(fresh)) if round_filter else ()),
        *collapse_notes(fresh, seeds),
    ]
    return Curation(
        rows=tuple(fresh),
        rejected=tuple(rejected),
        warnings=tuple(round_filter.warnings) if round_filter else (),
        diversity=diversity([row.question for row in fresh]),
        notes=tuple(notes),
    )


def collapse_notes(fresh: Sequence[Row], seeds: Sequence[Example]) -> list[str]:
    """A note if the fresh rows are far less diverse than the seeds."""
    note = collapse_note(
        [row.question for row in fresh], [seed.question for seed in seeds]
    )
    return [note] if note else []


def make_row(verdict: Verdict) -> Row:
    return Row(
        id=f"{verdict.seed}#{verdict.n}",
        seed=verdict.seed,
        n=verdict.n,
        question=verdict.question,
        text=verdict.text,
        answer=verdict.answer,
        verified=verdict.verified,
    )


def duplicate_reason(label: str | None) -> str | None:
    """Why a draft is refused whose key equals that of the question or row with this label."""
    if label is None:
        return None
    held_out = label.startswith(("dev ", "test "))
    category = "contaminated" if held_out else "duplicate"
    return f"{category}: the same exercise as {label}"


def make_row_checks(task: Task) -> RowChecks | None:
    """Return the checks by shared words, or None if the task's questions come from templates.

    Templated questions all share words, so only their keys tell them apart.
    """
    return None if task.templated else RowChecks(task)


def forbidden_keys(task: Task) -> dict[str, str]:
    """Map the key of every seed, dev and test question to its label, such as "test t12".

    If a seed is also in dev or test, the label is that of dev or test.
    """
    labels: dict[str, str] = {}
    for split, examples in (
        ("seed", task.seeds),
        ("dev", task.dev),
        ("test", task.test),
    ):
        for example in examples:
            labels[task.key(example.question)] = f"{split} {example.id}"
    return labels
