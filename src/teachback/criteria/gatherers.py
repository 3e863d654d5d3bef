"""How each need of a criterion beyond the attempts is gathered for a round's candidates.

Each `gather_…` takes functions of other rooms and returns a gatherer.
"""

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, NamedTuple

from ..types import ArrayFile, Attempt, Example, Grade, Student

# The most random draws for one seed in a round: the next round's numbers begin there.
DRAWS_PER_ROUND = 2**20

# A candidate seed and the student's attempt at it.
Candidate = tuple[Example, Attempt]


class GatheredNeed(NamedTuple):
    """What one need came to: fields of `types.GatheredEvidence`, and notes for the reader."""

    fields: Mapping[str, Any]
    notes: tuple[str, ...] = ()


# gather(student, candidates, round)
Gatherer = Callable[[Student, Sequence[Candidate], int], GatheredNeed]

# assess((seed id, question, attempt) of each candidate, round) → seed id → (a mark or a gap, or
# None, and then the reason)
AssessAttempts = Callable[
    [Sequence[tuple[str, str, str]], int],
    Mapping[str, tuple[float | None, str | None]],
]


def gather_gold_gradients(
    compute: Callable[[Student, Sequence[Example]], tuple[ArrayFile, ArrayFile]],
) -> Gatherer:
    """compute(student, seeds): sketches of the seeds' gold gradients, and of dev's."""

    def gather(
        student: Student, candidates: Sequence[Candidate], round: int
    ) -> GatheredNeed:
        gold, dev = compute(student, [seed for seed, _ in candidates])
        return GatheredNeed({"gold_gradient": gold, "dev_gradient": dev})

    return gather


def gather_right_answers(grade: Callable[[Example, str], Grade]) -> Gatherer:
    """Whether each attempt is right. A truncated one is not."""

    def gather(
        student: Student, candidates: Sequence[Candidate], round: int
    ) -> GatheredNeed:
        right = tuple(
            not attempt.truncated and grade(seed, attempt.text).outcome == "right"
            for seed, attempt in candidates
        )
        return GatheredNeed({"right": right})

    return gather


def gather_gold_nll(
    compute: Callable[[Student, Sequence[Example]], tuple[float, ...]],
) -> Gatherer:
    """compute(student, seeds): the nll of each seed's gold solution."""

    def gather(
        student: Student, candidates: Sequence[Candidate], round: int
    ) -> GatheredNeed:
        gold_nll = compute(student, [seed for seed, _ in candidates])
        return GatheredNeed({"gold_nll": gold_nll})

    return gather


def gather_samples(
    sample: Callable[
        [Student, Sequence[Example], Callable[[str, int], Random]],
        tuple[tuple[Grade, ...], ...],
    ],
    draw: Callable[[str, str, int], Random],
) -> Gatherer:
    """sample(student, seeds, draw_sample): sampled answers to each seed, graded.

    draw_sample(seed id, number) is the random generator of one sample.
    """

    def gather(
        student: Student, candidates: Sequence[Candidate], round: int
    ) -> GatheredNeed:
        def draw_sample(id: str, number: int) -> Random:
            return draw("samples", id, round * DRAWS_PER_ROUND + number)

        seeds = [seed for seed, _ in candidates]
        return GatheredNeed({"samples": sample(student, seeds, draw_sample)})

    return gather


def gather_rewards(
    compute: Callable[[Sequence[tuple[str, str]]], tuple[float, ...]],
    prompt: Callable[[str], str],
) -> Gatherer:
    """compute((prompt, attempt) of each candidate): a reward model's scores.

    prompt(question): what the student was asked.
    """

    def gather(
        student: Student, candidates: Sequence[Candidate], round: int
    ) -> GatheredNeed:
        pairs = [(prompt(seed.question), attempt.text) for seed, attempt in candidates]
        return GatheredNeed({"reward": compute(pairs)})

    return gather


def gather_marks(assess: AssessAttempts, prompt: Callable[[str], str]) -> Gatherer:
    """A judge's mark for each attempt."""
    return _gather_verdicts("marks", assess, prompt, "got no mark")


def gather_gaps(assess: AssessAttempts, prompt: Callable[[str], str]) -> Gatherer:
    """The gap between the teacher's answer and the student's attempt."""
    return _gather_verdicts("gaps", assess, prompt, "could not be compared")


def _gather_verdicts(
    field: str, assess: AssessAttempts, prompt: Callable[[str], str], failure: str
) -> Gatherer:
    def gather(
        student: Student, candidates: Sequence[Candidate], round: int
    ) -> GatheredNeed:
        attempts = [
            (seed.id, prompt(seed.question), attempt.text)
            for seed, attempt in candidates
        ]
        verdict_by_seed = assess(attempts, round)
        verdicts = [verdict_by_seed[seed.id] for seed, _ in candidates]
        values = tuple(None if value is None else float(value) for value, _ in verdicts)
        reasons = [reason for value, reason in verdicts if value is None]
        return GatheredNeed({field: values}, describe_missing(failure, reasons))

    return gather


def describe_missing(failure: str, reasons: Sequence[str | None]) -> tuple[str, ...]:
    if not reasons:
        return ()
    return (
        f"{len(reasons)} attempts {failure} and could not be selected; "
        f"the first: {reasons[0]}",
    )
