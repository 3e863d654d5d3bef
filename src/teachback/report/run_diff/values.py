"""What differs between two runs, as plain values: what `teachback diff --json` prints."""

from collections.abc import Mapping
from dataclasses import dataclass

from ...ledger.costs import CallCost, PairReply, Spend
from ...metrics.statistics import PairedChange


@dataclass(frozen=True)
class KeyChange:
    """A dotted key whose value differs. None: null, or the run doesn't have the key."""

    key: str
    left: object
    right: object


@dataclass(frozen=True)
class TextPair:
    """Two texts for the same thing. None: that run has none."""

    what: str  # which seed, question or row
    left: str | None
    right: str | None


# -- what differs in a step ----------------------------------------------------------------


@dataclass(frozen=True)
class AttemptChanges:
    """The student's answers to the seeds that both runs have."""

    n: int
    n_differing: int  # other texts
    first: TextPair | None
    mean_nll_gap: float  # mean |Δnll|, nats
    max_nll_gap: float


@dataclass(frozen=True)
class PickChanges:
    """Which seeds were selected."""

    n_left: int
    n_right: int
    n_common: int
    # The first rank with another seed, and that seed with its score. None: the same order.
    first_rank: int | None
    left: str | None
    right: str | None


@dataclass(frozen=True)
class RowChanges:
    """Drafts, or rows, by question."""

    n_left: int
    n_right: int
    n_only_left: int
    n_only_right: int
    n_other_answers: int  # the same question with another answer
    n_other_reasons: int  # refused for another reason, or by one run only
    # The first of each kind.
    only_left: tuple[TextPair, ...]
    only_right: tuple[TextPair, ...]
    other_answers: tuple[TextPair, ...]
    other_reasons: tuple[TextPair, ...]


@dataclass(frozen=True)
class ReportChanges:
    """Two students on the questions that both runs asked, from the left to the right."""

    split: str
    n: int
    left: float  # accuracy on these questions
    right: float
    change: PairedChange
    wrong_to_right: tuple[str, ...]  # ids
    right_to_wrong: tuple[str, ...]
    n_other_texts: int
    first: TextPair | None  # of the questions that flipped, or else of the other texts
    left_gold_nll: float | None
    right_gold_nll: float | None


@dataclass(frozen=True)
class FileChanges:
    """Files beside a step's JSON, such as weights, by their digests."""

    n: int
    names: tuple[str, ...]  # that differ, or that one run has only


@dataclass(frozen=True)
class FieldChanges:
    """Fields of any other step: the first that differ."""

    n: int
    first: tuple[KeyChange, ...]


StepChanges = (
    AttemptChanges
    | PickChanges
    | RowChanges
    | ReportChanges
    | FileChanges
    | FieldChanges
)


@dataclass(frozen=True)
class StepDifference:
    """A step that both runs have finished, or that one of them doesn't have at all."""

    round: int
    step: str
    what: str  # in a few words
    # Every text, id, pick and outcome is equal, and numbers differ by less than rounding explains.
    is_rounding: bool
    max_gap: float | None  # the largest |Δ| of a number; None: none differs
    changes: StepChanges | None  # None: one run has the step only


def name_step(step: StepDifference) -> str:
    return f"round {step.round}, {step.step}"


# -- two runs ------------------------------------------------------------------------------


@dataclass(frozen=True)
class RunPurchases:
    """What a run's ledger says."""

    spend: Spend
    # Without their latencies, sorted.
    calls: tuple[CallCost, ...]
    replies: tuple[PairReply, ...]


@dataclass(frozen=True)
class PointPair:
    """A point of both learning curves, "0% [0%, 28%]". None: the run has not come so far."""

    point: str  # "untuned", or "round 0"
    left: str | None
    right: str | None


@dataclass(frozen=True)
class RunDiff:
    """Two runs, side by side."""

    left: str
    right: str
    # Every file of both is byte-equal but those with times in them.
    same: bool
    headline: str
    # Keys of config.json: they make two runs other runs. Of settings.json: they may change from
    # start to start. Of inputs.json: data, student, precision, versions.
    identity: tuple[KeyChange, ...]
    settings: tuple[KeyChange, ...]
    inputs: tuple[KeyChange, ...]
    n_equal_steps: int  # up to where they part
    # Before they part: steps in which numbers differ by no more than rounding.
    rounding: tuple[StepDifference, ...]
    parting: StepDifference | None
    # Before they part, too: answers to test, which no step uses.
    on_request: tuple[StepDifference, ...]
    # Finished steps that one run has only: "round 1, select".
    steps_only_left: tuple[str, ...]
    steps_only_right: tuple[str, ...]
    points: tuple[PointPair, ...]
    # The students that the runs have by now, on the questions of both. None: there are none.
    last_reports: ReportChanges | None
    spend: Mapping[str, Spend | None]  # "left", "right"; None: without a ledger
