"""How each need of a criterion beyond the attempts is gathered, by the need's name."""

from collections.abc import Callable, Mapping, Sequence
from random import Random

from ..config.config import Config
from ..criteria.criterion import CriterionSettings, sampling_settings
from ..criteria.selector import Candidate, GatheredNeed, Gatherer, sketch_seed
from ..ledger.ledger import Ledger
from ..run.directory import Run
from ..student.measure import SamplingPlan
from ..student.responder import Responder
from ..types import Student, Task
from .judge_gatherers import judge_gatherers

DRAWS_PER_ROUND = 2**20  # at most, of one seed: the next round's draws begin there

Draw = Callable[[str, str, int], Random]


def make_gatherers(
    config: Config,
    run: Run,
    task: Task,
    responder: Responder,
    ledger: Ledger | None,
    draw: Draw,
) -> Mapping[str, Gatherer]:
    """Without a ledger, no paid model is asked."""
    return {
        "gold_gradients": gold_gradients(task, responder, sketch_seed(draw)),
        **judge_gatherers(config, run, task, ledger),
        "right": right_answers(task),
        "gold_nll": gold_nll(responder),
        "samples": sampled_answers(responder, config.criterion, draw),
    }


def gold_gradients(task: Task, responder: Responder, sketch_seed: int) -> Gatherer:
    def gather(
        student: Student, candidates: Sequence[Candidate], round: int
    ) -> GatheredNeed:
        seeds = [seed for seed, _ in candidates]
        gold, dev = responder.compute_gold_gradients(
            student, seeds, task.dev, sketch_seed
        )
        return GatheredNeed({"gold_gradient": gold, "dev_gradient": dev})

    return gather


def right_answers(task: Task) -> Gatherer:
    def gather(
        student: Student, candidates: Sequence[Candidate], round: int
    ) -> GatheredNeed:
        right = tuple(
            not attempt.truncated and task.grade(seed, attempt.text).outcome == "right"
            for seed, attempt in candidates
        )
        return GatheredNeed({"right": right})

    return gather


def gold_nll(responder: Responder) -> Gatherer:
    def gather(
        student: Student, candidates: Sequence[Candidate], round: int
    ) -> GatheredNeed:
        seeds = [seed for seed, _ in candidates]
        return GatheredNeed({"gold_nll": responder.compute_gold_nll(student, seeds)})

    return gather


def sampled_answers(
    responder: Responder, settings: CriterionSettings, draw: Draw
) -> Gatherer:
    sampling = sampling_settings(settings)
    k, temperature = sampling.samples, sampling.temperature

    def gather(
        student: Student, candidates: Sequence[Candidate], round: int
    ) -> GatheredNeed:
        def draw_sample(id: str, sample: int) -> Random:
            return draw("samples", id, round * DRAWS_PER_ROUND + sample)

        seeds = [seed for seed, _ in candidates]
        samples = responder.sample_grades(
            student, seeds, SamplingPlan(k, temperature, draw_sample)
        )
        return GatheredNeed({"samples": samples})

    return gather
