"""What a plan is made of. Plain data, so that `--json` is the plan itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Self

Case = Literal["low", "high", "expected"]


@dataclass(frozen=True)
class Range:
    """expected: measured by a probe; None without one."""

    low: float
    high: float
    expected: float | None = None

    @classmethod
    def of(cls, found: Mapping[Case, float]) -> Self:
        """From what the cases come to: the budget may end the dearest case first, so the order is not given."""
        return cls(min(found.values()), max(found.values()), found.get("expected"))

    def get(self, case: Case) -> float:
        """That end. Without a probe nothing is expected: asking for it is a mistake."""
        value = {"low": self.low, "high": self.high, "expected": self.expected}[case]
        assert value is not None, "no probe, nothing is expected"
        return value

    def __add__(self, other: "Range") -> "Range":
        both = (
            None
            if self.expected is None or other.expected is None
            else self.expected + other.expected
        )
        return Range(self.low + other.low, self.high + other.high, both)

    def __mul__(self, factor: float) -> "Range":
        return Range(
            self.low * factor,
            self.high * factor,
            None if self.expected is None else self.expected * factor,
        )


@dataclass(frozen=True)
class RoleBill:
    """The calls of one role. model: None for a program or a pool. usd, flops: None where the price is unknown."""

    role: str
    model: str | None
    calls: Range
    input_tokens: Range
    output_tokens: Range
    usd: Range | None
    flops: Range | None


@dataclass(frozen=True)
class RoundsBill:
    """Rounds `first` to `last`, which are alike. pairs: selected in each; bought: those of them not bought before."""

    first: int
    last: int
    pairs: Range
    bought: Range
    roles: tuple[RoleBill, ...]


@dataclass(frozen=True)
class Spending:
    """What the ledger will have at the end, what it has now included."""

    pairs: Range
    tokens: Range
    usd: Range | None
    flops: Range | None


@dataclass(frozen=True)
class Reached:
    """A limit closes after so many bought pairs: in that round, or, opened false, so that it does not open."""

    round: int
    pairs: int
    opened: bool


@dataclass(frozen=True)
class Stop:
    """One limit of the budget, taken alone. low, high, expected: where it closes; None: it does not.

    used: what all rounds that are asked for come to. for_a_pair, for_a_round, for_all: the limit at which the dearest
    pair fits, the next round, and every round at the high estimate.
    """

    limit: str
    value: float
    used: Range
    for_a_pair: float
    for_a_round: float
    for_all: float
    low: Reached | None
    high: Reached | None
    expected: Reached | None


@dataclass(frozen=True)
class StudentRound:
    """answering, finetuning: tokens. rows: those trained on, once an epoch. flops: None: its size is unknown."""

    round: int
    rows: Range
    answering: Range
    finetuning: Range
    flops: Range | None
    seconds: Range | None


@dataclass(frozen=True)
class Size:
    """parameters: None: unknown. source: where the number comes from."""

    parameters: int | None
    source: str


@dataclass(frozen=True)
class StudentBill:
    """before: the untuned student's dev answers, and finetuning on given rows. memory, disk, free: bytes."""

    model: str
    size: Size
    before: StudentRound
    rounds: tuple[StudentRound, ...]
    total: StudentRound
    method: str
    memory: float | None
    disk: float | None
    free: float


@dataclass(frozen=True)
class Probed:
    """What the probe bought and measured. spent_usd: None where the price is unknown. *_per_s: tokens a second."""

    pairs: int
    tokens: int
    spent_usd: float | None
    kept: bool
    answering_per_s: float
    finetuning_per_s: float | None


@dataclass(frozen=True)
class Plan:
    """rounds: what is asked for, without the limits on tokens, money and FLOPs where anything else ends the run;
    total: their sum by role. within: what the whole budget lets through. ends: what ends the run, by case."""

    run_dir: str
    teacher: str
    endpoints: Mapping[str, str]
    seeds: int
    per_round: int
    rounds_asked: int | None
    done: int
    rounds: tuple[RoundsBill, ...]
    total: tuple[RoleBill, ...]
    unpriced: tuple[str, ...]
    within: Spending
    ends: Mapping[Case, str]
    stops: tuple[Stop, ...]
    student: StudentBill
    probe: Probed | None
    caveats: tuple[str, ...]
