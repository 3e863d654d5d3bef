"""From a config to its plan. Without a probe nothing is sent, loaded or written."""

import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

from ..build.criterion import make_criterion
from ..build.judges import (
    make_answering_teacher,
    make_grading_judge,
    make_marking_judge,
    make_referee,
    worst_criterion_cost,
)
from ..build.prepare import check_data
from ..build.run import make_ready_run
from ..build.steps import rows_at_start
from ..build.task import make_task
from ..build.teacher import make_teacher_context
from ..build.training import make_runtime_options
from ..config.config import Config
from ..criteria.candidates import count_candidates
from ..criteria.criterion import sampling_settings
from ..criteria.judge import MarkingJudgeSettings
from ..criteria.lion import LionSettings
from ..ledger.costs import PICODOLLARS_PER_USD, Budget
from ..ledger.queries import open_read_only
from ..rng import draw
from ..run.directory import Run
from ..run.history import read_history
from ..run.identity import read_precision
from ..student.attempt import AttemptRequest
from ..student.chat import Chat
from ..student.inference import load_for_inference
from ..student.model_size import find_model_size
from ..student.training.finetune import Recipe
from ..tasks.jsonl import read_reserve
from ..teachers.judge_grades import worst_grading_cost
from ..teachers.openai_teacher import OpenAITeacherSettings, make_pair_calls
from ..teachers.pool_teacher import PoolTeacherSettings
from ..types import Task
from .caveats import list_caveats
from .criterion_roles import make_marking_roles, make_referee_roles
from .estimate import RunFacts, estimate_plan
from .probe import (
    PROBE_ROUND,
    ProbeMeasurements,
    buy_probe_pairs,
    draw_probe_seeds,
    time_answers,
    time_finetuning,
)
from .probe_usage import measure_roles
from .role_usage import RoleUsage
from .simulation import NOTHING_SPENT, BudgetTerms
from .student_work import ItemTokens, StudentLoad, estimate_item_tokens
from .teacher_roles import make_endpoint_holds, make_endpoint_roles, make_unpaid_holds, make_unpaid_roles
from .teaching_costs import TeachingCosts
from .token_lengths import MAX_TOKEN_BYTES, MIN_TOKEN_BYTES, count_text_bytes
from .values import Plan, ProbeSummary, Range, Scenario


def make_plan(config: Config, n_probes: int) -> Plan:
    """n_probes: how many pairs a probe buys; 0: no probe."""
    task = make_task(config.task)
    check_data(config, task)
    probe = run_probe(config, task, n_probes) if n_probes else None
    teaching = make_teaching_costs(config, task, probe)
    return estimate_plan(
        make_run_facts(config, task, probe),
        make_budget_terms(config, task),
        teaching,
        make_student_load(config, task, teaching, probe),
        make_probe_summary(config, teaching, probe),
    )


def make_budget_terms(config: Config, task: Task) -> BudgetTerms:
    past = read_history(config.run_dir).rounds
    spent, probe_pairs = read_commitments(config)
    if past or shows_attempt(config):
        probe_pairs = 0
    return BudgetTerms(
        seeds=len(task.seeds),
        per_round=config.per_round,
        rounds=config.rounds,
        reuse_seeds=config.reuse_seeds,
        budget=config.budget.budget(),
        accepted=config.budget.accepted,
        rounds_done=len(past),
        picks_done=sum(len(r.chosen.picks) for r in past),
        rows_done=sum(len(r.fresh.rows) for r in past),
        spent=spent,
        probe_pairs=probe_pairs,
        pool_rows=count_pool_rows(config, task),
    )


def read_commitments(config: Config) -> tuple[Budget, int]:
    """What is committed, and how many pairs a probe has bought."""
    path = config.run_dir / "ledger.sqlite"
    if not path.exists():
        return NOTHING_SPENT, 0
    with open_read_only(path, repeat=config.repeat) as ledger:
        return ledger.amount_committed(), ledger.spend(round=PROBE_ROUND).pairs


def count_pool_rows(config: Config, task: Task) -> int | None:
    """The rows that a pool teacher can hand out; None for other teachers."""
    teacher = config.teacher
    if not isinstance(teacher, PoolTeacherSettings):
        return None
    rows = len(read_reserve(teacher.rows, config.task, task))
    return rows if teacher.n_rows is None else min(rows, teacher.n_rows)


def shows_attempt(config: Config) -> bool:
    return (
        isinstance(config.teacher, OpenAITeacherSettings)
        and config.teacher.show_attempt
    )


# -- what the teacher costs ------------------------------------------------------------


def make_teaching_costs(
    config: Config, task: Task, probe: ProbeMeasurements | None
) -> TeachingCosts:
    scenarios: tuple[Scenario, ...] = ("low", "high")
    if probe:
        scenarios = ("low", "high", "expected")

    teacher, shows = config.teacher, shows_attempt(config)
    if isinstance(teacher, OpenAITeacherSettings):
        calls = make_pair_calls(teacher, make_teacher_context(config, task))
        roles = make_endpoint_roles(calls, task.seeds, config.per_round, shows_attempt=shows)
        hold = make_endpoint_holds(calls, task.seeds, shows_attempt=shows)
        holds = dict.fromkeys(scenarios, hold)
        if probe:
            roles = measure_roles(roles, probe.purchase.pairs, probe.purchase.calls)
    else:
        roles = make_unpaid_roles(task.seeds, config.per_round)
        if probe:
            roles = measure_roles(roles, probe.purchase.pairs, probe.purchase.calls)
        holds = {scenario: make_unpaid_holds(roles, scenario) for scenario in scenarios}
    return TeachingCosts(
        roles,
        holds,
        make_criterion_roles(config, task),
        worst_criterion_cost(config, task, task.seeds),
    )


def make_criterion_roles(config: Config, task: Task) -> tuple[RoleUsage, ...]:
    """The criterion sees about as many seeds as it has candidates."""
    n_seeds = count_scored_seeds(config, task)
    attempt_cap = config.student.max_new_tokens
    criterion = config.criterion
    if isinstance(criterion, MarkingJudgeSettings):
        judge = make_marking_judge(config, criterion)
        return make_marking_roles(judge, task, n_seeds, attempt_cap)
    if isinstance(criterion, LionSettings):
        teacher = make_answering_teacher(config, task)
        referee = make_referee(config, criterion)
        return make_referee_roles(teacher, referee, task, n_seeds, attempt_cap)
    return ()


def count_scored_seeds(config: Config, task: Task) -> int:
    """How many seeds a criterion sees that needs more than the attempts."""
    few = count_candidates(config.candidates, config.per_round, costly=True)
    return min(few or len(task.seeds), len(task.seeds))


# -- what the student does -------------------------------------------------------------


def make_student_load(
    config: Config,
    task: Task,
    teaching: TeachingCosts,
    probe: ProbeMeasurements | None,
) -> StudentLoad:
    student = config.student
    instruction_bytes = count_text_bytes(task.prompt("")) + count_text_bytes(student.system)
    if probe:
        answer = probe.answer
        tokens = ItemTokens(answer, answer, answer, probe.row or answer)
    else:
        tokens = estimate_tokens(config, task, teaching, instruction_bytes)
    gold = estimate_gold_tokens(task, instruction_bytes, probed=probe is not None)
    return StudentLoad(
        tokens=replace(tokens, dev=tokens.dev + gold),
        seeds=len(task.seeds),
        sampled=count_sampled_answers(config, task),
        dev=len(task.dev),
        rows_at_start=len(rows_at_start(config, task)),
        epochs=config.finetune.epochs,
        restart=config.finetune.restart,
        replay=config.finetune.replay,
        parameters=find_model_size(student.model, student.revision).parameters,
        answering_per_s=probe.answering_per_s if probe else None,
        finetuning_per_s=probe.finetuning_per_s if probe else None,
    )


def estimate_tokens(
    config: Config, task: Task, teaching: TeachingCosts, instruction_bytes: int
) -> ItemTokens:
    teacher = config.teacher
    question_cap, answer_cap, row_cap = 0, 0, 0
    if isinstance(teacher, OpenAITeacherSettings):
        # Swapped: the high end takes a new question for as long as an answer may be
        question_cap = teacher.max_tokens_answer
        answer_cap = teacher.max_tokens_question
    else:
        row_cap = teaching.roles[0].high.output_tokens
    return estimate_item_tokens(
        task.seeds,
        task.dev,
        instruction_bytes=instruction_bytes,
        attempt_cap=config.student.max_new_tokens,
        question_cap=question_cap,
        answer_cap=answer_cap,
        row_cap=row_cap,
    )


def estimate_gold_tokens(task: Task, instruction_bytes: int, *, probed: bool) -> Range:
    """Tokens of a dev question's gold solution with its prompt.

    Every evaluation reads them once more, for the gold nll.
    """
    total = 0
    for example in task.dev:
        gold = task.target(example)
        if gold is not None:
            question = count_text_bytes(example.question) + instruction_bytes
            total += question + count_text_bytes(gold)
    low = total / len(task.dev) / MAX_TOKEN_BYTES
    high = total / len(task.dev) / MIN_TOKEN_BYTES
    return Range(low, high, (low + high) / 2 if probed else None)


def count_sampled_answers(config: Config, task: Task) -> int:
    """The answers that a criterion samples in a round, beside the attempts."""
    if "samples" not in make_criterion(config.criterion, Path.cwd()).needs:
        return 0
    per_seed = sampling_settings(config.criterion).samples
    return per_seed * count_scored_seeds(config, task)


# -- what the plan repeats -------------------------------------------------------------


def make_run_facts(
    config: Config, task: Task, probe: ProbeMeasurements | None
) -> RunFacts:
    folders = (config.run_dir, *config.run_dir.parents)
    existing = next(folder for folder in folders if folder.exists())
    student = config.student
    judge = make_grading_judge(config)
    caveats = list_caveats(
        paid=bool(config.endpoints_by_role()),
        probed=probe is not None,
        timed_finetuning=probe is not None and probe.row is not None,
        shows_attempt=shows_attempt(config),
        from_pool=isinstance(config.teacher, PoolTeacherSettings),
        round_under_way=read_history(config.run_dir).next_step != "open",
        dev_judging=worst_grading_cost(judge, task.dev) if judge else None,
        buys_teacher_answers=isinstance(config.criterion, LionSettings),
    )
    return RunFacts(
        run_dir=str(config.run_dir),
        teacher=config.teacher.name,
        endpoints={
            role: f"{endpoint.model} at {endpoint.base_url}"
            for role, endpoint in config.endpoints_by_role().items()
        },
        model=student.model,
        size=find_model_size(student.model, student.revision),
        method=config.finetune.method,
        keep=config.keep,
        free=shutil.disk_usage(existing).free,
        caveats=tuple(caveats),
    )


def make_probe_summary(
    config: Config, teaching: TeachingCosts, probe: ProbeMeasurements | None
) -> ProbeSummary | None:
    if probe is None:
        return None
    usd = None
    if all(role.has_price for role in teaching.roles):
        usd = probe.purchase.usd / PICODOLLARS_PER_USD
    return ProbeSummary(
        probe.purchase.pairs,
        probe.purchase.tokens,
        usd,
        kept=not shows_attempt(config),
        answering_per_s=probe.answering_per_s,
        finetuning_per_s=probe.finetuning_per_s,
    )


def run_probe(config: Config, task: Task, n: int) -> ProbeMeasurements:
    """Opens the run's directory, and identifies it, as a run does."""
    seeds = draw_probe_seeds(task.seeds, n, partial(draw, config.seed, config.repeat))
    chat = Chat(config.student.system, config.student.chat_template_kwargs)
    with (
        Run(config.run_dir, keep=config.keep) as run,
        make_ready_run(config, run) as wired,
    ):
        start = run.path(wired.base)
        precision = read_precision(run.folder)
        student = load_for_inference(start, precision)
        questions = [
            AttemptRequest(seed.id, task.prompt(seed.question)) for seed in seeds
        ]
        attempts, answer, answering_per_s = time_answers(
            student, chat, questions, config.student.max_new_tokens
        )
        purchase = buy_probe_pairs(
            run,
            wired.ledger,
            wired.teacher,
            seeds,
            attempts if shows_attempt(config) else (),
        )
        rows = [
            (task.prompt(draft.question), draft.text)
            for draft in purchase.drafts
            if draft.question and draft.text
        ]
        if len(rows) < 2:
            return ProbeMeasurements(purchase, answer, answering_per_s, None, None)

        settings = config.finetune.model_dump(exclude={"restart", "replay"})
        recipe = Recipe(**settings, precision=precision)
        row, finetuning_per_s = time_finetuning(
            start, student, chat, rows, run, recipe, make_runtime_options(config)
        )
        return ProbeMeasurements(
            purchase, answer, answering_per_s, row, finetuning_per_s
        )
