"""From a config to its plan. Without a probe nothing is sent, loaded or written."""

from functools import partial

from ..build.finetune_choice import preview_finetune
from ..build.prepare import check_data
from ..build.run import make_ready_run
from ..build.task import make_task
from ..build.training import make_runtime_options
from ..config.config import Config
from ..ledger.costs import PICODOLLARS_PER_USD
from ..rng import draw
from ..run.directory import Run
from ..run.identity import read_precision
from ..student.attempt import AttemptRequest
from ..student.inference import load_for_inference
from ..student.model_size import find_model_size
from ..types import Task
from .budget_terms import make_budget_terms
from .config_queries import shows_attempt
from .estimate import estimate_plan
from .probe import (
    ProbeMeasurements,
    buy_probe_pairs,
    draw_probe_seeds,
    time_answers,
    time_finetuning,
)
from .run_facts import make_run_facts
from .student_load import make_student_load
from .teaching_costs import TeachingCosts, make_teaching_costs
from .values import Plan, ProbeSummary


def make_plan(config: Config, n_probes: int) -> Plan:
    """n_probes: how many pairs a probe buys; 0: no probe."""
    task = make_task(config.task)
    check_data(config, task)
    probe = run_probe(config, task, n_probes) if n_probes else None
    size = find_model_size(config.student.model, config.student.revision)
    finetuning = preview_finetune(config, size)
    teaching = make_teaching_costs(config, task, probe.purchase if probe else None)
    return estimate_plan(
        make_run_facts(config, task, probe, size, finetuning),
        make_budget_terms(config, task),
        teaching,
        make_student_load(
            config, task, teaching.roles, probe, finetuning.settings, size.parameters
        ),
        summarise_probe(config, teaching, probe) if probe else None,
    )


def summarise_probe(
    config: Config, teaching: TeachingCosts, probe: ProbeMeasurements
) -> ProbeSummary:
    usd = None
    if all(role.has_price for role in teaching.roles):
        usd = probe.purchase.usd / PICODOLLARS_PER_USD
    finetuning = probe.finetuning
    return ProbeSummary(
        probe.purchase.pairs,
        probe.purchase.tokens,
        usd,
        kept=not shows_attempt(config),
        answering_per_s=probe.answering.tokens_per_s,
        finetuning_per_s=finetuning.tokens_per_s if finetuning else None,
    )


def run_probe(config: Config, task: Task, n_pairs: int) -> ProbeMeasurements:
    """Buys the pairs, and times the student, in the run's own directory.

    It opens the directory and identifies it, as a run does.
    """
    make_random = partial(draw, config.seed, config.repeat)
    seeds = draw_probe_seeds(task.seeds, n_pairs, make_random)
    questions = [AttemptRequest(seed.id, task.prompt(seed.question)) for seed in seeds]
    with (
        Run(config.run_dir, keep=config.keep) as run,
        make_ready_run(config, run) as ready,
    ):
        start = run.path(ready.base)
        chat = ready.responder.chat
        precision = read_precision(run.folder)
        student = load_for_inference(start, precision, chat)
        attempts, answering = time_answers(
            student, chat, questions, config.student.max_new_tokens
        )
        shown_attempts = attempts if shows_attempt(config) else ()
        purchase = buy_probe_pairs(
            run, ready.ledger, ready.teacher, seeds, shown_attempts
        )
        rows = [
            (task.prompt(draft.question), draft.text)
            for draft in purchase.drafts
            if draft.question and draft.text
        ]
        # The first step warms up, and is not timed: it takes two rows to time one
        if len(rows) < 2:
            return ProbeMeasurements(purchase, answering, None)

        recipe = ready.config.finetune.make_recipe(precision)
        options = make_runtime_options(ready.config)
        finetuning = time_finetuning(start, student, chat, rows, run, recipe, options)
        return ProbeMeasurements(purchase, answering, finetuning)
