"""From the config to how drafts are bought and become rows, as long as they can be used."""

from collections.abc import Callable, Sequence
from functools import partial

from ..config.config import Config
from ..curate.draft_yield import YieldWatch, make_yield_rule
from ..curate.training_rows import curate_rows, forbidden_keys, make_row_checks
from ..curate.verify import verdict_conflicts, verify_drafts
from ..endpoints.raw_text import read_raw_text
from ..ledger.ledger import Ledger
from ..types import Curation, Round, Row, Task, Verdict


def make_yield_watch(config: Config, task: Task, ledger: Ledger) -> YieldWatch:
    budget = config.budget
    max_pairs = budget.generated
    if config.rounds is not None:
        max_pairs = min(
            max_pairs or config.rounds * config.per_round,
            config.rounds * config.per_round,
        )
    return YieldWatch(
        make_yield_rule(budget.trial_drafts, budget.min_yield, max_pairs),
        partial(verify_drafts, task=task),
        lambda seed, n: read_raw_text(ledger.last_reply(seed, n)),
    )


def make_curate(
    task: Task, watch: YieldWatch
) -> Callable[[Sequence[Verdict], Sequence[Row], Sequence[Round]], Curation]:
    forbidden = forbidden_keys(task)
    checks = make_row_checks(task)

    def curate(
        verdicts: Sequence[Verdict], rows: Sequence[Row], past: Sequence[Round]
    ) -> Curation:
        fresh = curate_rows(
            verdicts,
            rows,
            key=task.key,
            forbidden=forbidden,
            seeds=task.seeds,
            checks=checks,
            conflict=partial(verdict_conflicts, task),
        )
        watch.check_round(past, fresh)
        return fresh

    return curate
