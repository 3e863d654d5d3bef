"""From the config to how each need of its criterion is gathered."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from random import Random

from ..config.config import Config
from ..criteria.criterion import sampling_settings
from ..criteria.gatherers import (
    AssessAttempts,
    Gatherer,
    gather_gaps,
    gather_gold_gradients,
    gather_gold_nll,
    gather_marks,
    gather_rewards,
    gather_right_answers,
    gather_samples,
)
from ..criteria.judge import MarkingJudgeSettings
from ..criteria.lion import LionSettings
from ..criteria.reward import RewardSettings
from ..criteria.selection_steps import sketch_seed
from ..ledger.ledger import Ledger
from ..rng import draw
from ..run.directory import Run
from ..student.measure import SamplingPlan
from ..student.responder import Responder
from ..student.reward import make_reward_function
from ..teachers.judge_gaps import compare_with_teacher
from ..teachers.judge_marks import mark_attempts
from ..types import Example, Grade, Student, Task
from .judges import make_answering_teacher, make_marking_judge, make_referee

Draw = Callable[[str, str, int], Random]


def make_gatherers(
    config: Config,
    run: Run,
    task: Task,
    responder: Responder,
    ledger: Ledger | None = None,
) -> Mapping[str, Gatherer]:
    """By need. Without a ledger no paid model is asked."""
    draw_for_run: Draw = partial(draw, config.seed, config.repeat)
    sampling = sampling_settings(config.criterion)

    def sample(
        student: Student,
        seeds: Sequence[Example],
        draw_sample: Callable[[str, int], Random],
    ) -> tuple[tuple[Grade, ...], ...]:
        plan = SamplingPlan(sampling.samples, sampling.temperature, draw_sample)
        return responder.sample_grades(student, seeds, plan)

    gold_gradients = partial(
        responder.compute_gold_gradients,
        dev=task.dev,
        sketch_seed=sketch_seed(draw_for_run),
    )
    return {
        "gold_gradients": gather_gold_gradients(gold_gradients),
        **make_judge_gatherers(config, run, task, ledger),
        "right": gather_right_answers(task.grade),
        "gold_nll": gather_gold_nll(responder.compute_gold_nll),
        "samples": gather_samples(sample, draw_for_run),
    }


def make_judge_gatherers(
    config: Config, run: Run, task: Task, ledger: Ledger | None
) -> Mapping[str, Gatherer]:
    """What a reward model or a judge is asked, by need."""
    settings = config.criterion
    if isinstance(settings, RewardSettings):
        compute = make_reward_function(settings.model, settings.revision, run)
        return {"reward": gather_rewards(compute, task.prompt)}
    if isinstance(settings, MarkingJudgeSettings) and ledger:
        mark = make_marker(config, settings, run, ledger)
        return {"marks": gather_marks(mark, task.prompt)}
    if isinstance(settings, LionSettings) and ledger:
        compare = make_comparer(config, settings, run, task, ledger)
        return {"gaps": gather_gaps(compare, task.prompt)}
    return {}


def make_marker(
    config: Config, settings: MarkingJudgeSettings, run: Run, ledger: Ledger
) -> AssessAttempts:
    judge = make_marking_judge(config, settings)
    return lambda attempts, round: mark_attempts(
        judge,
        attempts,
        round=round,
        ledger=ledger,
        on_progress=lambda done: run.report_progress(done, len(attempts)),
    )


def make_comparer(
    config: Config, settings: LionSettings, run: Run, task: Task, ledger: Ledger
) -> AssessAttempts:
    teacher = make_answering_teacher(config, task)
    referee = make_referee(config, settings)
    return lambda attempts, round: compare_with_teacher(
        teacher,
        referee,
        attempts,
        round=round,
        ledger=ledger,
        on_progress=lambda done: run.report_progress(done, 2 * len(attempts)),
    )
