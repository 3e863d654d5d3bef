"""Criteria that ask another model: a judge, a referee and the teacher, a reward model."""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from ..config import config as cfg
from ..criteria.candidates import count_candidates
from ..criteria.judge import MarkingJudgeSettings
from ..criteria.lion import LionSettings
from ..criteria.reward import RewardSettings
from ..criteria.selector import Candidate, GatheredNeed, Gatherer
from ..ledger.costs import FREE_PRICE, Cost, Usage
from ..ledger.ledger import Ledger
from ..run.directory import Run
from ..types import Example, Student, Task
from .teacher import make_asking, make_endpoint

if TYPE_CHECKING:
    from ..teachers.marking import Attempted, Marking
    from ..teachers.refereeing import Answering, Refereeing

def judge_gatherers(
    config: cfg.Config, run: Run, task: Task, ledger: Ledger | None
) -> dict[str, Gatherer]:
    """What reward models and judges are asked, by need. Without a ledger nobody is paid."""
    settings = config.criterion
    if isinstance(settings, RewardSettings):
        return {"reward": gather_rewards(settings, run, task)}
    if isinstance(settings, MarkingJudgeSettings) and ledger:
        return {"marks": gather_marks(make_marking(config, settings), run, task, ledger)}
    if isinstance(settings, LionSettings) and ledger:
        return {"gaps": gather_gaps(*make_refereeing(config, settings), run, task, ledger)}
    return {}


def worst_judging_cost(config: cfg.Config, task: Task, candidates: Sequence[Example]) -> Cost:
    """The most that asking judges about these seeds can cost in a round."""
    questions = [task.prompt(e.question) for e in candidates]
    count = count_candidates(config.candidates, config.per_round, costly=True)
    settings = config.criterion
    if isinstance(settings, MarkingJudgeSettings):
        return make_marking(config, settings).worst(questions, count)
    if isinstance(settings, LionSettings):
        answering, refereeing = make_refereeing(config, settings)
        return refereeing.worst(questions, count) + answering.worst(questions, count)
    return FREE_PRICE.of(Usage(0, 0))


def judge_sources(config: cfg.Config) -> dict[str, bytes]:
    """What else decides what judges say: part of the run's identity (R3)."""
    settings = config.criterion
    if isinstance(settings, RewardSettings):
        from ..student.reward import find

        return {"criterion": find(settings.model, settings.revision)[1].encode()}
    if isinstance(settings, MarkingJudgeSettings):
        return {"criterion": make_marking(config, settings).template.encode()}
    if isinstance(settings, LionSettings):
        answering, refereeing = make_refereeing(config, settings)
        return {"criterion": (refereeing.template + answering.template).encode()}
    return {}


def gather_rewards(settings: RewardSettings, run: Run, task: Task) -> Gatherer:
    from ..student.reward import find, load_reward, reward

    load_model = cache(lambda: load_reward(find(settings.model, settings.revision)[0]))

    def score(shard: Sequence[tuple[str, str]]) -> list[float]:
        return [float(value) for value in reward(load_model(), shard)]

    def gather(student: Student, candidates: Sequence[Candidate], round: int) -> GatheredNeed:
        pairs = [(task.prompt(seed.question), attempt.text) for seed, attempt in candidates]
        rewards = run.map(score, pairs, of=float, name="reward")
        return GatheredNeed({"reward": rewards})

    return gather


def make_marking(config: cfg.Config, given: MarkingJudgeSettings) -> "Marking":
    from ..teachers.marking import FIELDS, Marking
    from ..teachers.prompts import SHIPPED, read_template

    template = read_template(given.prompt or SHIPPED / "mark.txt", FIELDS)
    return Marking(make_endpoint(given, config.prices), template, given.max_tokens)


def gather_marks(marking: "Marking", run: Run, task: Task, ledger: Ledger) -> Gatherer:
    from ..teachers.marking import mark_all

    def gather(student: Student, candidates: Sequence[Candidate], round: int) -> GatheredNeed:
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


def make_refereeing(
    config: cfg.Config, given: LionSettings
) -> "tuple[Answering, Refereeing]":
    from ..teachers.prompts import SHIPPED, read_template
    from ..teachers.refereeing import FIELDS, Answering, Refereeing

    assert isinstance(config.teacher, cfg.OpenAITeacher)  # config.py sees to it
    asking = make_asking(config, config.teacher)
    assert asking.prompts.answer is not None  # make_prompts sees to it
    template = read_template(given.prompt or SHIPPED / "referee.txt", FIELDS)
    answering = Answering(
        asking.endpoint, asking.prompts.answer, asking.max_tokens_answer
    )
    return answering, Refereeing(
        make_endpoint(given, config.prices), template, given.max_tokens
    )


def gather_gaps(
    answering: "Answering", refereeing: "Refereeing", run: Run, task: Task, ledger: Ledger
) -> Gatherer:
    from ..teachers.refereeing import answers_of_teacher, referee_all

    def gather(student: Student, candidates: Sequence[Candidate], round: int) -> GatheredNeed:
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
        return GatheredNeed({"gaps": values}, describe_missing("could not be compared", reasons))

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
