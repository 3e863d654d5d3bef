"""What reward models and judges are asked about the candidates, by need."""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from ..config.config import Config
from ..criteria.judge import MarkingJudgeSettings
from ..criteria.lion import LionSettings
from ..criteria.reward import RewardSettings
from ..criteria.selector import Candidate, GatheredNeed, Gatherer
from ..ledger.ledger import Ledger
from ..run.directory import Run
from ..types import Student, Task
from .judges import make_marking, make_refereeing

if TYPE_CHECKING:
    from ..teachers.marking import Attempted, Marking
    from ..teachers.refereeing import Answering, Refereeing


def judge_gatherers(
    config: Config, run: Run, task: Task, ledger: Ledger | None
) -> dict[str, Gatherer]:
    """What reward models and judges are asked, by need. Without a ledger nobody is paid."""
    settings = config.criterion
    if isinstance(settings, RewardSettings):
        return {"reward": gather_rewards(settings, run, task)}
    if isinstance(settings, MarkingJudgeSettings) and ledger:
        return {
            "marks": gather_marks(make_marking(config, settings), run, task, ledger)
        }
    if isinstance(settings, LionSettings) and ledger:
        return {
            "gaps": gather_gaps(
                *make_refereeing(config, task, settings), run, task, ledger
            )
        }
    return {}


def gather_rewards(settings: RewardSettings, run: Run, task: Task) -> Gatherer:
    from ..student.reward import (
        compute_rewards,
        load_reward_model,
        resolve_reward_model,
    )

    load_model = cache(
        lambda: load_reward_model(
            resolve_reward_model(settings.model, settings.revision)[0]
        )
    )

    def score(shard: Sequence[tuple[str, str]]) -> list[float]:
        return [float(value) for value in compute_rewards(load_model(), shard)]

    def gather(
        student: Student, candidates: Sequence[Candidate], round: int
    ) -> GatheredNeed:
        pairs = [
            (task.prompt(seed.question), attempt.text) for seed, attempt in candidates
        ]
        rewards = run.map(score, pairs, of=float, name="reward")
        return GatheredNeed({"reward": rewards})

    return gather


def gather_marks(marking: "Marking", run: Run, task: Task, ledger: Ledger) -> Gatherer:
    from ..teachers.marking import mark_all

    def gather(
        student: Student, candidates: Sequence[Candidate], round: int
    ) -> GatheredNeed:
        verdicts = mark_all(
            attempted(task, candidates),
            marking,
            round=round,
            ledger=ledger,
            tell=lambda done: run.report_progress(done, len(candidates)),
        )
        marks = [verdicts[seed.id] for seed, _ in candidates]
        values = tuple(None if one.mark is None else float(one.mark) for one in marks)
        reasons = [one.reason for one in marks if one.mark is None]
        return GatheredNeed({"marks": values}, describe_missing("got no mark", reasons))

    return gather


def gather_gaps(
    answering: "Answering",
    refereeing: "Refereeing",
    run: Run,
    task: Task,
    ledger: Ledger,
) -> Gatherer:
    from ..teachers.refereeing import answers_of_teacher, referee_all

    def gather(
        student: Student, candidates: Sequence[Candidate], round: int
    ) -> GatheredNeed:
        questions = {seed.id: task.prompt(seed.question) for seed, _ in candidates}
        teacher = answers_of_teacher(questions, answering, round=round, ledger=ledger)
        verdicts = referee_all(
            attempted(task, candidates),
            teacher,
            refereeing,
            round=round,
            ledger=ledger,
            tell=lambda done: run.report_progress(done, 2 * len(candidates)),
        )
        gaps = [verdicts[seed.id] for seed, _ in candidates]
        reasons = [one.reason for one in gaps if one.gap is None]
        values = tuple(one.gap for one in gaps)
        return GatheredNeed(
            {"gaps": values}, describe_missing("could not be compared", reasons)
        )

    return gather


def attempted(task: Task, candidates: Sequence[Candidate]) -> "list[Attempted]":
    from ..teachers.marking import Attempted

    return [
        Attempted(seed.id, task.prompt(seed.question), attempt.text)
        for seed, attempt in candidates
    ]


def describe_missing(what: str, reasons: Sequence[str | None]) -> tuple[str, ...]:
    if not reasons:
        return ()
    return (
        f"{len(reasons)} attempts {what} and could not be selected; the first: {reasons[0]}",
    )
