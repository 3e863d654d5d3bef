"""The parts of a plan, as plain data: `teachback plan --json` prints these fields."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self

if TYPE_CHECKING:
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
        """The range from the smallest to the largest value of any scenario.

        The smallest may be that of the high scenario, if the budget ends it first.
        """
        return cls(min(values.values()), max(values.values()), values.get("expected"))

    def at(self, scenario: Scenario) -> float:
        """That end of the range. "expected" needs a probe."""
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
    """Rounds `first` to `last`, which all have the same numbers."""

    first: int
    last: int
    pairs: Range  # selected in each round
    bought: Range  # those of them that no probe has bought before
    roles: tuple[RoleBill, ...]


@dataclass(frozen=True)
class BudgetUse:
    """The ledger's totals at the end of the run, what it holds now included."""

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
    used: Range  # by all rounds of the config
    for_a_pair: float  # the limit at which the dearest pair fits
    for_a_round: float  # the limit at which the next round fits
    for_all: float  # the limit at which every round fits, at the high estimate
    # Where the limit ends the run, by scenario; None: it doesn't
    low: LimitHit | None
    high: LimitHit | None
    expected: LimitHit | None


@dataclass(frozen=True)
class StudentWork:
    """What the student does in a round."""

    round: int
    rows: Range  # rows to train on, each counted once
    answering: Range  # tokens that it reads and writes to answer
    finetuning: Range  # tokens that it is trained on, over all epochs
    flops: Range | None  # None: the model's size is unknown
    seconds: Range | None  # None: no probe has measured the speed


@dataclass(frozen=True)
class StudentBill:
    model: str
    size: "ModelSize"
    # Before the first round: dev answers of the untuned student, finetuning on rows that
    # the run starts with
    before: StudentWork
    rounds: tuple[StudentWork, ...]
    total: StudentWork
    # method, lr, epochs and rows_per_step, with what `auto` becomes on this machine, and why
    finetuning: str
    method: str
    # What is known to go wrong with them, with the fix
    warnings: tuple[str, ...]
    memory: float | None  # bytes while finetuning; None: the model's size is unknown
    disk: float | None  # bytes of the run's directory at its peak
    free: float  # bytes on that disk


@dataclass(frozen=True)
class ProbeSummary:
    """What a probe bought and measured."""

    pairs: int
    tokens: int
    spent_usd: float | None  # None: the price is unknown
    kept: bool  # whether a run that selects the same seeds reuses the probe's pairs
    answering_per_s: float  # tokens a second
    finetuning_per_s: float | None  # tokens a second; None: there were no rows for it


@dataclass(frozen=True)
class Plan:
    run_dir: str
    teacher: str
    endpoints: Mapping[str, str]
    seeds: int  # in the pool
    per_round: int
    rounds_asked: int | None  # the config's rounds; None: until the budget is spent
    done: int  # finished rounds
    # All rounds of the config. Limits on tokens, money and FLOPs end them only if nothing
    # else does
    rounds: tuple[RoundsBill, ...]
    total: tuple[RoleBill, ...]  # of these rounds, by role
    unpriced: tuple[str, ...]  # models without a price
    within: BudgetUse  # what the whole budget lets through
    ends: Mapping[Scenario, str]  # the limit that ends the run
    stops: tuple[LimitForecast, ...]  # one for each limit that is set
    student: StudentBill
    probe: ProbeSummary | None
    caveats: tuple[str, ...]
