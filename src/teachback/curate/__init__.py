"""Which verdicts become rows: what is there already is refused. Every refusal has its reason, "category: detail".

The categories here: "duplicate" and "near duplicate" (of a seed or a row), "contaminated" (of dev or test).
"""

from collections.abc import Callable, Mapping, Sequence

from ..types import Curated, Rejected, Row, Task, Verdict
from .checks import Checks, Sieve
from .diversity import collapse, diversity


def curate(
    verdicts: Sequence[Verdict],
    rows: Sequence[Row],
    *,
    key: Callable[[str], str],
    taken: Mapping[str, str],
    seeds: Sequence[str] = (),
    checks: Checks | None = None,
) -> Curated:
    """Fresh rows in the order of selection. `taken` maps the key of every seed, dev and test question to its name.

    A draft whose key equals one of those, an earlier row's or an earlier draft's of this round is refused; with
    `checks`, so is one that shares its words with them. seeds: questions, with which the rows' diversity is compared.
    """
    known = {**taken, **{key(row.question): f"row {row.id}" for row in rows}}
    usable = [
        v.question
        for v in verdicts
        if v.reason is None and key(v.question) not in known
    ]
    sieve = Sieve(checks, rows, usable) if checks else None
    fresh: list[Row] = []
    rejected: list[Rejected] = []
    for verdict in verdicts:
        id, this = f"{verdict.seed}#{verdict.n}", key(verdict.question)
        reason = (
            verdict.reason
            or equal(known.get(this))
            or (sieve.refuse(verdict.question) if sieve else None)
        )
        if reason is not None:
            rejected.append(Rejected(verdict.seed, verdict.n, reason))
            continue
        row = Row(
            id,
            verdict.seed,
            verdict.n,
            verdict.question,
            verdict.text,
            verdict.answer,
            verdict.verified,
        )
        known[this] = f"row {id}"
        fresh.append(row)
        if sieve:
            sieve.accept(row)
    questions = [row.question for row in fresh]
    notes = [
        *(sieve.notes(len(fresh)) if sieve else ()),
        *filter(None, [collapse(questions, seeds)]),
    ]
    warnings = tuple(sieve.warnings) if sieve else ()
    return Curated(
        tuple(fresh), tuple(rejected), warnings, diversity(questions), tuple(notes)
    )


def equal(name: str | None) -> str | None:
    """The reason against a draft whose key is that of `name`."""
    if name is None:
        return None
    category = "contaminated" if name.startswith(("dev ", "test ")) else "duplicate"
    return f"{category}: the same exercise as {name}"


def make_checks(task: Task) -> Checks | None:
    """None for a task whose questions are made from templates: all of them share words and are near each other."""
    return None if task.templated else Checks(task)


def taken_keys(task: Task) -> dict[str, str]:
    """Keys of everything that a row must not be. Where a seed is also in dev or test, the split's name wins."""
    splits = (("seed", task.seeds), ("dev", task.dev), ("test", task.test))
    return {
        task.key(example.question): f"{split} {example.id}"
        for split, examples in splits
        for example in examples
    }
