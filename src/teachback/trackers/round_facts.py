"""The facts of a round that trackers hear. The fields' names are the metrics' names."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from statistics import fmean

from ..ledger.costs import Spend
from ..report.facts import accuracy_facts, spend_facts
from ..report.row_yield import count_reasons
from ..types import CarryOver, Curation, Report, Round, Selection

# mlflow takes 250 characters.
MAX_NAME_CHARS = 60


@dataclass(frozen=True)
class SelectionFacts:
    """What the criterion chose. The metrics are selected/seeds, selected/mean_score, …"""

    seeds: int
    # Mean score of the picks and of all seeds; None for a criterion that gives no scores.
    mean_score: float | None
    pool_mean_score: float | None
    by_chance: float
    length_rho: float | None


@dataclass(frozen=True)
class CarryOverFacts:
    seed_median: float | None
    row_median: float | None
    row_rho: float | None


@dataclass(frozen=True)
class RoundFacts:
    """After so many rounds. None and what is empty become no metric."""

    rounds: int  # 0: the untuned student
    rows: int  # of the training set
    # On dev, with the 95 % interval.
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    gold_nll: float | None
    # In a comparison.
    test_accuracy: float | None
    # From the run's start on, all roles together.
    pairs: int
    spent_tokens: int
    spent_usd: float | None  # None: a price is unknown
    # Of this round alone; 0 rounds have none.
    accepted: int | None = None
    accepted_share: float | None = None  # of the drafts: the yield
    rejected: Mapping[str, int] | None = None  # by category
    diversity: float | None = None
    selected: SelectionFacts | None = None
    carry_over: CarryOverFacts | None = None


def make_round_facts(
    report: Report,
    spend: Spend,
    past: Sequence[Round] = (),
    *,
    given_rows: int,
    test: Report | None,
) -> RoundFacts:
    """report: of the student after the rounds in `past`. spend: of these rounds."""
    accuracy = accuracy_facts(report)
    rows = given_rows + sum(len(finished.fresh.rows) for finished in past)
    facts = RoundFacts(
        rounds=len(past),
        rows=rows,
        accuracy=accuracy["accuracy"],
        accuracy_low=accuracy["low"],
        accuracy_high=accuracy["high"],
        gold_nll=accuracy["gold_nll"],
        test_accuracy=test.accuracy if test else None,
        pairs=spend.pairs,
        spent_tokens=spend.tokens,
        spent_usd=spend_facts(spend)["usd"],
    )
    return add_round(facts, past[-1]) if past else facts


def add_round(facts: RoundFacts, finished: Round) -> RoundFacts:
    """With what the round itself did."""
    fresh = finished.fresh
    of_round = {
        "accepted": len(fresh.rows),
        "accepted_share": find_accepted_share(fresh),
        "rejected": dict(count_reasons(fresh.rejected)),
        "diversity": fresh.diversity,
        "selected": make_selection_facts(finished.chosen),
        "carry_over": make_carry_over_facts(finished.transfer),
    }
    return RoundFacts(**{**vars(facts), **of_round})


def find_accepted_share(fresh: Curation) -> float | None:
    """None if there was no draft."""
    n_drafts = len(fresh.rows) + len(fresh.rejected)
    return len(fresh.rows) / n_drafts if n_drafts else None


def make_selection_facts(chosen: Selection) -> SelectionFacts:
    scores = [pick.score for pick in chosen.picks if pick.score is not None]
    pool_scores = [score for _, score in chosen.scores]
    return SelectionFacts(
        seeds=len(chosen.picks),
        mean_score=fmean(scores) if scores else None,
        pool_mean_score=fmean(pool_scores) if pool_scores else None,
        by_chance=chosen.by_chance,
        length_rho=chosen.length_rho,
    )


def make_carry_over_facts(transfer: CarryOver) -> CarryOverFacts:
    return CarryOverFacts(transfer.seed_median, transfer.row_median, transfer.row_rho)


def name_metrics(facts: object, prefix: str = "") -> dict[str, float]:
    """Numbers by name: accuracy, selected/mean_score, rejected/near_duplicate."""
    if is_dataclass(facts):
        members = {field.name: getattr(facts, field.name) for field in fields(facts)}
    else:
        assert isinstance(facts, Mapping)
        members = {clean_name(key): value for key, value in facts.items()}
    metrics: dict[str, float] = {}
    for name, value in members.items():
        if is_dataclass(value) or isinstance(value, Mapping):
            metrics |= name_metrics(value, f"{prefix}{name}/")
        elif value is not None:
            metrics[prefix + name] = value
    return metrics


def clean_name(reason: str) -> str:
    """A reason as every tracker takes it: it may come from a teacher's server."""
    name = re.sub(r"[^a-z0-9]+", "_", reason.lower()).strip("_")
    return name[:MAX_NAME_CHARS] or "other"
