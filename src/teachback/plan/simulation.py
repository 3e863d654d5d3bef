"""How far a run gets if every pair uses the same: the loop's and the ledger's rules.

- A round opens if the money that is left pays for the dearest pair of the pool.
- A criterion that makes paid calls makes them before the round's pairs. A round opens
  only if they can be paid for too.
- A pair is reserved with its worst case, its hold, once all pairs before it have
  settled. So a limit stops the round as soon as limit − spent < hold. Then the round
  ends short, and none opens after it.
- A pair that a probe has bought costs nothing when its seed is selected.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import count

from ..ledger.costs import Budget, Cost
from .role_usage import NO_COST
from .values import Scenario

# A free teacher may go on without end; the plan looks no further than this
MAX_PLANNED_ROUNDS = 1000
NO_LIMITS = Budget()
NOTHING_SPENT = Budget(0, 0, 0, 0)
COST_KINDS = ("teacher_tokens", "usd", "flops")


@dataclass(frozen=True)
class BudgetTerms:
    """What ends a run, and how far it is."""

    seeds: int
    per_round: int
    rounds: int | None  # None: until something else ends the run
    reuse_seeds: bool | str = "evenly"  # as in the config
    budget: Budget = NO_LIMITS
    accepted: int | None = None  # accepted rows wanted; every row counts as accepted
    rounds_done: int = 0
    picks_done: int = 0
    rows_done: int = 0  # accepted so far
    spent: Budget = NOTHING_SPENT  # what the ledger has committed
    probe_pairs: int = 0  # bought by a probe; the run may select their seeds
    pool_rows: int | None = None  # rows that a pool teacher can hand out

    def only(self, limit: str) -> "BudgetTerms":
        """The same terms, with this limit alone."""
        if limit == "accepted":
            return replace(self, budget=NO_LIMITS)
        budget = Budget(**{limit: getattr(self.budget, limit)})
        return replace(self, accepted=None, budget=budget)

    @property
    def without_cost_limits(self) -> "BudgetTerms":
        """The same terms, without limits on tokens, money and FLOPs."""
        return replace(self, budget=Budget(self.budget.generated))

    @property
    def open_ended(self) -> bool:
        """Whether only tokens, money or FLOPs end the run."""
        counts = (self.rounds, self.budget.generated, self.accepted, self.pool_rows)
        return counts == (None, None, None, None) and bool(self.reuse_seeds)


@dataclass(frozen=True)
class PairCosts:
    """What a pair, and a round's criterion, use and hold back in one scenario."""

    pair: Cost  # what each pair uses
    hold: Cost  # what each pair holds back while it is under way
    dearest_hold: Cost  # the largest hold of the pool, at least `hold`
    # The share of the probe's pairs that the run reuses; None: as chance has it
    reused_share: float | None = 0
    criterion: Cost = NO_COST  # what the criterion's calls of a round use
    criterion_worst: Cost = NO_COST  # the most that they can use


@dataclass(frozen=True)
class SimulatedRun:
    selected: tuple[int, ...]  # pairs, by round that opened
    bought: tuple[int, ...]  # those of them that no probe had bought
    ended_by: str  # the limit that ended the run
    closing_round: int  # the round that the limit cut short or kept closed


ScenarioRuns = Mapping[Scenario, SimulatedRun]


def simulate_run(terms: BudgetTerms, costs: PairCosts) -> SimulatedRun:
    """Goes round by round until a limit ends the run."""
    selected, bought = list[int](), list[int]()
    cut_by: tuple[str, int] | None = None  # the first limit that cut a round short
    for r in count(terms.rounds_done):
        opened = len(selected)
        spent = project_spending(terms, costs, sum(bought), opened)
        allowance, closed_by = find_round_allowance(terms, sum(selected), spent, costs, r)
        if allowance < 1:
            ended_by, closing_round = cut_by or (closed_by, r)
            return SimulatedRun(tuple(selected), tuple(bought), ended_by, closing_round)

        reused_before = sum(selected) - sum(bought)
        reusable = count_reused_pairs(terms, costs, opened + 1) - reused_before
        reused = min(allowance, reusable)

        spent = project_spending(terms, costs, sum(bought), opened + 1)
        to_buy = allowance - reused
        new, limit = count_fitting_pairs(terms.budget, spent, costs, to_buy)
        if new < to_buy:
            cut_by = cut_by or (limit, r)
        selected.append(reused + new)
        bought.append(new)
    raise AssertionError("unreachable")


def find_round_allowance(
    terms: BudgetTerms, selected: int, spent: Budget, costs: PairCosts, r: int
) -> tuple[int, str]:
    """The pairs that round r may select; or 0 and the limit that keeps it closed."""
    last = terms.rounds
    if last is None:
        last = terms.rounds_done + MAX_PLANNED_ROUNDS
    if r >= last:
        return 0, "rounds"

    bought = spent.generated or 0
    pairs_left = {"seeds": terms.seeds}
    if not terms.reuse_seeds:
        pairs_left["seeds"] -= terms.picks_done + selected
    if terms.pool_rows is not None:
        pairs_left["rows of the pool"] = terms.pool_rows - bought
    if terms.budget.generated is not None:
        pairs_left["generated"] = terms.budget.generated - bought
    if terms.accepted is not None:
        pairs_left["accepted"] = terms.accepted - terms.rows_done - selected
    for name, pairs in pairs_left.items():
        if pairs < 1:
            return 0, name

    needed = costs.dearest_hold + costs.criterion_worst
    for kind in COST_KINDS:
        limit = getattr(terms.budget, kind)
        if limit is None:
            continue
        if limit - getattr(spent, kind) < get_amount(needed, kind):
            return 0, kind
    return min(terms.per_round, *pairs_left.values()), ""


def count_fitting_pairs(
    budget: Budget, spent: Budget, costs: PairCosts, pairs: int
) -> tuple[int, str]:
    """How many pairs can be reserved one after the other, and the limit that stops it.

    The limit is "" if all pairs fit.
    """
    fitting, limiting = pairs, ""
    for kind in COST_KINDS:
        limit = getattr(budget, kind)
        if limit is None:
            continue
        pair = get_amount(costs.pair, kind)
        left = limit - getattr(spent, kind) - get_amount(costs.hold, kind)
        if left < 0:
            fits = 0
        elif pair == 0:
            fits = fitting
        else:
            fits = left // pair + 1
        if fits < fitting:
            fitting, limiting = fits, kind
    return fitting, limiting


def count_reused_pairs(terms: BudgetTerms, costs: PairCosts, rounds: int) -> int:
    """How many of the probe's pairs the first `rounds` rounds reuse."""
    if costs.reused_share is not None:
        reusable = round(costs.reused_share * terms.probe_pairs)
        return min(reusable, terms.per_round * rounds)

    share = min(1.0, terms.per_round / terms.seeds)
    if terms.reuse_seeds is True:
        missed = (1 - share) ** rounds
    else:
        missed = max(0.0, 1 - share * rounds)
    return round(terms.probe_pairs * (1 - missed))


def project_spending(
    terms: BudgetTerms, costs: PairCosts, bought: int, rounds: int
) -> Budget:
    """What is spent after so many more pairs, and the criterion's calls of the rounds."""
    spent = {"generated": (terms.spent.generated or 0) + bought}
    for kind in COST_KINDS:
        pairs = bought * get_amount(costs.pair, kind)
        criterion = rounds * get_amount(costs.criterion, kind)
        spent[kind] = (getattr(terms.spent, kind) or 0) + pairs + criterion
    return Budget(**spent)


def get_amount(cost: Cost, kind: str) -> int:
    """0 where the amount is unknown: then the config can't set a limit of that kind."""
    if kind == "teacher_tokens":
        return cost.tokens
    amount: int | None = getattr(cost, kind)
    return amount or 0
