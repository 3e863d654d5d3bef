"""What a plan is made of. Plain data: `teachback plan --json` prints these fields."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Self

from ..student.model_size import ModelSize

Scenario = Literal["low", "high", "expected"]
ScenarioValues = dict[Scenario, float]
ScenarioCounts = Mapping[Scenario, int]


@dataclass(frozen=True)
class Range:
    low: float
    high: float
    expected: float | None = None  # measured by a probe; None without one

    @classmethod
    def of(cls, values: Mapping[Scenario, float]) -> Self:
        """The range of the values that the scenarios come to.

        The budget may end the high scenario first, so the smallest value may be its.
        """
        return cls(min(values.values()), max(values.values()), values.get("expected"))

    def at(self, scenario: Scenario) -> float:
        """That end of the range. Without a probe nothing may ask for "expected"."""
        ends = {"low": self.low, "high": self.high, "expected": self.expected}
        value = ends[scenario]
        assert value is not None, "no probe, nothing is expected"
        return value

    def __add__(self, other: "Range") -> "Range":
        expected = None
        if self.expected is not None and other.expected is not None:
            expected = self.expected + other.expected
        return Range(self.low + other.low, self.high + other.high, expected)

    def __mul__(self, factor: float) -> "Range":
        expected = None if self.expected is None else self.expected * factor
        return Range(self.low * factor, self.high * factor, expected)


@dataclass(frozen=True)
class RoleBill:
    """The calls of one role: a teacher, a verifier, a marker or a referee."""

    role: str
    model: str | None  # None: a program or a pool
    calls: Range
    input_tokens: Range
    output_tokens: Range
    usd: Range | None  # None: the price is unknown
    flops: Range | None  # None: the number of parameters is unknown


@dataclass(frozen=True)
class RoundsBill:
    """Rounds `first` to `last`, which are all alike."""

    first: int
    last: int
    pairs: Range  # selected in each round
    bought: Range  # those of them that no probe has bought before
    roles: tuple[RoleBill, ...]


@dataclass(frozen=True)
class BudgetUse:
    """What the ledger will hold at the end, with what it holds now."""

    pairs: Range
    tokens: Range
    usd: Range | None  # None: a price is unknown
    flops: Range | None


@dataclass(frozen=True)
class LimitHit:
    """Where a limit ends the run."""

    round: int
    pairs: int  # bought until then
    opened: bool  # the limit cuts the round short; False: it keeps the round closed


@dataclass(frozen=True)
class LimitForecast:
    """What one limit of the budget, taken alone, would do."""

    limit: str
    value: float
    used: Range  # what all rounds that are asked for use of it
    for_a_pair: float  # the limit at which the dearest pair fits
    for_a_round: float  # the limit at which the next round fits
    for_all: float  # the limit at which every round fits, at the high estimate
    low: LimitHit | None  # by scenario, where the limit ends the run; None: it doesn't
    high: LimitHit | None
    expected: LimitHit | None


@dataclass(frozen=True)
class StudentWork:
    """What a round asks of the student."""

    round: int
    rows: Range  # rows to train on, each counted once
    answering: Range  # tokens that are read and written to answer
    finetuning: Range  # tokens that are trained on, over all epochs
    flops: Range | None  # None: the model's size is unknown
    seconds: Range | None  # None: no probe has measured the speed


@dataclass(frozen=True)
class StudentBill:
    model: str
    size: ModelSize
    before: StudentWork  # the untuned student's dev answers, finetuning on given rows
    rounds: tuple[StudentWork, ...]
    total: StudentWork
    method: str
    memory: float | None  # bytes while finetuning; None: the model's size is unknown
    disk: float | None  # bytes at the peak
    free: float  # bytes


@dataclass(frozen=True)
class ProbeSummary:
    """What a probe bought and measured."""

    pairs: int
    tokens: int
    spent_usd: float | None  # None: the price is unknown
    kept: bool  # a run that selects the same seeds uses the probe's pairs
    answering_per_s: float  # tokens a second
    finetuning_per_s: float | None  # tokens a second; None: there were no rows for it


@dataclass(frozen=True)
class Plan:
    run_dir: str
    teacher: str
    endpoints: Mapping[str, str]
    seeds: int
    per_round: int
    rounds_asked: int | None
    done: int  # finished rounds
    # What is asked for. Limits on tokens, money and FLOPs count only if nothing else
    # ends the run
    rounds: tuple[RoundsBill, ...]
    total: tuple[RoleBill, ...]  # of these rounds, by role
    unpriced: tuple[str, ...]  # models without a price
    within: BudgetUse  # what the whole budget lets through
    ends: Mapping[Scenario, str]  # what ends the run
    stops: tuple[LimitForecast, ...]
    student: StudentBill
    probe: ProbeSummary | None
    caveats: tuple[str, ...]
