"""What ends a run, and how far the run has come."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..ledger.costs import Budget
from ..ledger.queries import open_read_only
from ..run.history import read_history
from ..tasks.file_task import read_reserve
from ..teachers.pool_teacher import PoolTeacherSettings
from ..types import Task
from .config_queries import shows_attempt
from .probe import PROBE_ROUND

if TYPE_CHECKING:
    from ..config.config import Config

NO_LIMITS = Budget()
NOTHING_SPENT = Budget(0, 0, 0, 0)


@dataclass(frozen=True)
class BudgetTerms:
    n_seeds: int
    per_round: int
    rounds: int | None  # None: until something else ends the run
    reuse_seeds: bool | str = "evenly"  # as in the config
    budget: Budget = NO_LIMITS
    # The limit on accepted rows; a plan takes every pair for an accepted row
    accepted: int | None = None
    rounds_done: int = 0
    picks_done: int = 0
    rows_done: int = 0  # accepted so far
    spent: Budget = NOTHING_SPENT  # what the ledger has committed
    probe_pairs: int = 0  # bought by a probe; the run may select their seeds
    pool_rows: int | None = None  # rows that a pool teacher can hand out

    def with_only(self, limit: str) -> "BudgetTerms":
        """The same terms, with this limit alone."""
        if limit == "accepted":
            return replace(self, budget=NO_LIMITS)
        budget = Budget(**{limit: getattr(self.budget, limit)})
        return replace(self, accepted=None, budget=budget)

    def without_cost_limits(self) -> "BudgetTerms":
        """The same terms, without limits on tokens, money and FLOPs."""
        return replace(self, budget=Budget(self.budget.generated))

    @property
    def is_open_ended(self) -> bool:
        """Whether only tokens, money or FLOPs end the run."""
        counts = (self.rounds, self.budget.generated, self.accepted, self.pool_rows)
        return counts == (None, None, None, None) and bool(self.reuse_seeds)


def make_budget_terms(config: "Config", task: Task) -> BudgetTerms:
    past = read_history(config.run_dir).rounds
    spent, probe_pairs = read_commitments(config)
    # After a finished round the plan counts on none of the probe's pairs: how many are
    # left to reuse is unknown. With attempts in the prompt no round can reuse them
    if past or shows_attempt(config):
        probe_pairs = 0
    return BudgetTerms(
        n_seeds=len(task.seeds),
        per_round=config.per_round,
        rounds=config.rounds,
        reuse_seeds=config.reuse_seeds,
        budget=config.budget.budget(),
        accepted=config.budget.accepted,
        rounds_done=len(past),
        picks_done=sum(len(finished.chosen.picks) for finished in past),
        rows_done=sum(len(finished.fresh.rows) for finished in past),
        spent=spent,
        probe_pairs=probe_pairs,
        pool_rows=count_pool_rows(config, task),
    )


def read_commitments(config: "Config") -> tuple[Budget, int]:
    """What the ledger has committed, and how many pairs a probe has bought."""
    path = config.run_dir / "ledger.sqlite"
    if not path.exists():
        return NOTHING_SPENT, 0
    with open_read_only(path, repeat=config.repeat) as ledger:
        return ledger.amount_committed(), ledger.spend(round=PROBE_ROUND).pairs


def count_pool_rows(config: "Config", task: Task) -> int | None:
    """The rows that a pool teacher can hand out; None for other teachers."""
    teacher = config.teacher
    if not isinstance(teacher, PoolTeacherSettings):
        return None
    n_rows = len(read_reserve(teacher.rows, config.task, task))
    return n_rows if teacher.n_rows is None else min(n_rows, teacher.n_rows)
