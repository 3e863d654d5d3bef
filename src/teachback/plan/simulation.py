"""How far a run gets if every pair uses the same: the loop's and the ledger's rules.

- A round opens if the money that is left pays for the dearest pair of the pool.
- A criterion that makes paid calls makes them before the round's pairs. A round opens
  only if they can be paid for too.
- A pair is reserved with its worst case, its hold, once all pairs before it have
  settled. So a limit stops the round as soon as limit − spent < hold. Then the round
  ends short, and none opens after it.
- A pair that a probe has bought costs nothing when its seed is selected.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from ..ledger.costs import Budget, Cost
from .role_usage import NO_COST
from .values import Scenario

if TYPE_CHECKING:
    from .budget_terms import BudgetTerms

# A free teacher may go on without end; the plan looks no further than this
MAX_PLANNED_ROUNDS = 1000
COST_KINDS = ("teacher_tokens", "usd", "flops")


@dataclass(frozen=True)
class PairCosts:
    """What a pair, and a round's criterion, use and hold back in one scenario."""

    pair: Cost  # what each pair uses
    hold: Cost  # what each pair holds back while it is under way
    dearest_hold: Cost  # the largest hold of the pool, at least `hold`
    # The share of the probe's pairs that the run reuses; None: as many as a random
    # selection would
    reused_share: float | None = 0
    criterion: Cost = NO_COST  # what the criterion's calls of a round use
    criterion_worst: Cost = NO_COST  # the most that they can use


@dataclass(frozen=True)
class SimulatedRun:
    selected_pairs: tuple[int, ...]  # by round, for each round that opened
    bought_pairs: tuple[int, ...]  # those of them that no probe had bought
    final_limit: str  # the limit that ended the run
    closing_round: int  # the round that the limit cut short or kept closed


ScenarioRuns = Mapping[Scenario, SimulatedRun]


def simulate_run(terms: BudgetTerms, costs: PairCosts) -> SimulatedRun:
    """Goes round by round until a limit ends the run."""
    selected_pairs = list[int]()
    bought_pairs = list[int]()
    first_cut: tuple[str, int] | None = (
        None  # the limit that first cut a round, and where
    )
    for r in count(terms.rounds_done):
        n_rounds = len(selected_pairs)
        n_selected = sum(selected_pairs)
        n_bought = sum(bought_pairs)
        spent = project_spending(terms, costs, n_bought, n_rounds)
        allowance, closing_limit = find_round_allowance(
            terms, n_selected, spent, costs, r
        )
        if allowance < 1:
            final_limit, closing_round = first_cut or (closing_limit, r)
            return SimulatedRun(
                tuple(selected_pairs), tuple(bought_pairs), final_limit, closing_round
            )

        reused_before = n_selected - n_bought
        reusable = count_reused_pairs(terms, costs, n_rounds + 1) - reused_before
        n_reused = min(allowance, reusable)

        # The criterion's calls of this round are paid before its pairs
        spent = project_spending(terms, costs, n_bought, n_rounds + 1)
        n_to_buy = allowance - n_reused
        n_new, limit = count_fitting_pairs(terms.budget, spent, costs, n_to_buy)
        if n_new < n_to_buy:
            first_cut = first_cut or (limit, r)
        selected_pairs.append(n_reused + n_new)
        bought_pairs.append(n_new)
    raise AssertionError("unreachable")


def find_round_allowance(
    terms: BudgetTerms, n_selected: int, spent: Budget, costs: PairCosts, r: int
) -> tuple[int, str]:
    """The pairs that round r may select; or 0 and the limit that keeps it closed.

    n_selected: pairs of the simulated rounds before it.
    """
    n_rounds = terms.rounds
    if n_rounds is None:
        n_rounds = terms.rounds_done + MAX_PLANNED_ROUNDS
    if r >= n_rounds:
        return 0, "rounds"

    n_bought = spent.generated or 0
    pairs_left = {"seeds": terms.n_seeds}
    if not terms.reuse_seeds:
        pairs_left["seeds"] -= terms.picks_done + n_selected
    if terms.pool_rows is not None:
        pairs_left["rows of the pool"] = terms.pool_rows - n_bought
    if terms.budget.generated is not None:
        pairs_left["generated"] = terms.budget.generated - n_bought
    if terms.accepted is not None:
        pairs_left["accepted"] = terms.accepted - terms.rows_done - n_selected
    for name, pairs in pairs_left.items():
        if pairs < 1:
            return 0, name

    # A round opens only if even the dearest pair fits, whichever seed is selected
    opening_hold = costs.dearest_hold + costs.criterion_worst
    for kind in COST_KINDS:
        limit = getattr(terms.budget, kind)
        if limit is None:
            continue
        if limit - getattr(spent, kind) < get_amount(opening_hold, kind):
            return 0, kind
    return min(terms.per_round, *pairs_left.values()), ""


def count_fitting_pairs(
    budget: Budget, spent: Budget, costs: PairCosts, pairs: int
) -> tuple[int, str]:
    """How many pairs can be reserved one after the other, and the limit that stops it.

    The limit is "" if all pairs fit.
    """
    fitting = pairs
    limiting = ""
    for kind in COST_KINDS:
        limit = getattr(budget, kind)
        if limit is None:
            continue
        per_pair = get_amount(costs.pair, kind)
        # The n-th pair fits if (n − 1) pairs and one hold fit into what is left
        free_amount = limit - getattr(spent, kind) - get_amount(costs.hold, kind)
        if free_amount < 0:
            fitting_kind = 0
        elif per_pair == 0:
            fitting_kind = fitting
        else:
            fitting_kind = free_amount // per_pair + 1
        if fitting_kind < fitting:
            fitting = fitting_kind
            limiting = kind
    return fitting, limiting


def count_reused_pairs(terms: BudgetTerms, costs: PairCosts, n_rounds: int) -> int:
    """How many of the probe's pairs the first n rounds reuse."""
    if costs.reused_share is not None:
        reusable = round(costs.reused_share * terms.probe_pairs)
        return min(reusable, terms.per_round * n_rounds)

    # As if each round selected its seeds at random. Where seeds are not selected again
    # before all others, n rounds reach n times as many
    share = min(1.0, terms.per_round / terms.n_seeds)
    if terms.reuse_seeds is True:
        missed_share = (1 - share) ** n_rounds
    else:
        missed_share = max(0.0, 1 - share * n_rounds)
    return round(terms.probe_pairs * (1 - missed_share))


def project_spending(
    terms: BudgetTerms, costs: PairCosts, n_bought: int, n_rounds: int
) -> Budget:
    """What is spent after so many more pairs, and the criterion's calls of the rounds."""
    spent = {"generated": (terms.spent.generated or 0) + n_bought}
    for kind in COST_KINDS:
        pairs = n_bought * get_amount(costs.pair, kind)
        criterion = n_rounds * get_amount(costs.criterion, kind)
        spent[kind] = (getattr(terms.spent, kind) or 0) + pairs + criterion
    return Budget(**spent)


def get_amount(cost: Cost, kind: str) -> int:
    """0 where the amount is unknown: then the config can't set a limit of that kind."""
    if kind == "teacher_tokens":
        return cost.tokens
    amount: int | None = getattr(cost, kind)
    return amount or 0
