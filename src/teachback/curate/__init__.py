"""Which verdicts become rows: what is there already is refused. Every refusal has its reason, "category: detail"."""

from collections.abc import Callable, Mapping, Sequence

from ..types import Curated, Rejected, Row, Task, Verdict


def curate(
    verdicts: Sequence[Verdict], rows: Sequence[Row], *, key: Callable[[str], str], taken: Mapping[str, str]
) -> Curated:
    """Fresh rows in the order of selection. `taken` maps the key of every seed, dev and test question to its name.

    A draft whose key equals one of those, an earlier row's or an earlier draft's of this round is refused.
    """
    known = {**taken, **{key(row.question): f"row {row.id}" for row in rows}}
    fresh: list[Row] = []
    rejected: list[Rejected] = []
    for verdict in verdicts:
        id = f"{verdict.seed}#{verdict.n}"
        reason, this = verdict.reason, key(verdict.question)
        if reason is None and this in known:
            category = "contaminated" if known[this].startswith(("dev", "test")) else "duplicate"
            reason = f"{category}: the same exercise as {known[this]}"
        if reason is not None:
            rejected.append(Rejected(verdict.seed, verdict.n, reason))
            continue
        known[this] = f"row {id}"
        fresh.append(Row(id, verdict.seed, verdict.n, verdict.question, verdict.text, verdict.answer, verdict.verified))
    return Curated(tuple(fresh), tuple(rejected))


def taken_keys(task: Task) -> dict[str, str]:
    """Keys of everything that a row must not be. Where a seed is also in dev or test, the split's name wins."""
    splits = (("seed", task.seeds), ("dev", task.dev), ("test", task.test))
    return {task.key(example.question): f"{split} {example.id}" for split, examples in splits for example in examples}
