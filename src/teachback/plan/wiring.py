"""From a config to its plan. Without a probe nothing is sent, loaded, fetched or written."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ..build.criterion import make_criterion, sampling
from ..build.judges import worst as worst_asked
from ..build.run import check, given, kept_precision, make_means, wire
from ..build.task import make_task, reserve_rows
from ..build.teacher import make_asking, make_budget, make_judging
from ..config import choosing
from ..config import config as cfg
from ..ledger.costs import PICO, Budget
from ..ledger.ledger import Ledger
from ..rng import draw
from ..run import history
from ..run.directory import Run
from ..student.attempt import Asked
from ..student.chat import Chat
from ..student.frozen import freeze
from ..student.training.finetune import Recipe
from ..types import Task
from . import roles as costs
from .asks import criterion_roles
from .course import NOTHING, Terms
from .estimate import Facts, Teaching, estimate
from .probe import ROUND, Bought, answers, buy, chosen, learn
from .student import Lesson, Work, find_size, guessed
from .values import Case, Plan, Probed, Range


@dataclass(frozen=True)
class Measured:
    """What a probe found. row: None where it bought nothing that could be trained on."""

    bought: Bought
    answered: Range
    answering_per_s: float
    row: Range | None
    finetuning_per_s: float | None


def make_plan(config: cfg.Config, probe: int) -> Plan:
    task = make_task(config.task)
    check(config, task)
    measured = probing(config, task, probe) if probe else None
    past = history.read(config.run_dir).rounds
    spent, probed = in_ledger(config)
    terms = Terms(
        seeds=len(task.seeds),
        per_round=config.per_round,
        rounds=config.rounds,
        reuse_seeds=config.reuse_seeds,
        budget=make_budget(config.budget),
        accepted=config.budget.accepted,
        done=len(past),
        picks=sum(len(r.chosen.picks) for r in past),
        rows=sum(len(r.fresh.rows) for r in past),
        spent=spent,
        probed=0 if past or shows(config) else probed,
        reserve=in_reserve(config, task),
    )
    teaching = make_teaching(config, task, measured)
    facts, lesson = (
        make_facts(config, task, measured),
        make_lesson(config, task, teaching, measured),
    )
    return estimate(
        facts, terms, teaching, lesson, probed_facts(config, teaching, measured)
    )


def in_reserve(config: cfg.Config, task: Task) -> int | None:
    teacher = config.teacher
    if not isinstance(teacher, cfg.PoolTeacher):
        return None
    rows = len(reserve_rows(teacher, config.task, task))
    return rows if teacher.n_rows is None else min(rows, teacher.n_rows)


def shows(config: cfg.Config) -> bool:
    return isinstance(config.teacher, cfg.OpenAITeacher) and config.teacher.show_attempt


def in_ledger(config: cfg.Config) -> tuple[Budget, int]:
    """What is committed, and the pairs that a probe has bought."""
    path = config.run_dir / "ledger.sqlite"
    if not path.exists():
        return NOTHING, 0
    with Ledger.look(path, repeat=config.repeat) as ledger:
        return ledger.committed(), ledger.spend(round=ROUND).pairs


def make_teaching(
    config: cfg.Config, task: Task, measured: Measured | None
) -> Teaching:
    cases: tuple[Case, ...] = (
        ("low", "high", "expected") if measured else ("low", "high")
    )
    asked = isinstance(config.teacher, cfg.OpenAITeacher)
    if isinstance(config.teacher, cfg.OpenAITeacher):
        asking = make_asking(config, config.teacher)
        roles = costs.asked(asking, task.seeds, config.per_round, shows=shows(config))
        holds = costs.asked_holds(asking, task.seeds, shows=shows(config))
    else:
        roles = costs.written(task.seeds, config.per_round)
    if measured:
        roles = costs.probed(roles, measured.bought.pairs, measured.bought.usages)
    each = {
        case: holds if asked else costs.written_holds(roles, case) for case in cases
    }
    return Teaching(
        roles,
        each,
        criterion_roles(config, task),
        worst_asked(config, task, task.seeds),
    )


def make_lesson(
    config: cfg.Config, task: Task, teaching: Teaching, measured: Measured | None
) -> Lesson:
    teacher = config.teacher
    if isinstance(teacher, cfg.OpenAITeacher):
        question, answer, row = (
            teacher.max_tokens_question,
            teacher.max_tokens_answer,
            0,
        )
    else:
        question, answer, row = 0, 0, teaching.roles[0].high.output_tokens
    around = costs.size(task.prompt("")) + costs.size(config.student.system)
    work = guessed(
        task.seeds,
        task.dev,
        around,
        config.student.max_new_tokens,
        question,
        answer,
        row,
    )
    if measured:
        work = Work(
            measured.answered,
            measured.answered,
            measured.answered,
            measured.row or measured.answered,
        )
    return Lesson(
        work=replace(
            work, dev=work.dev + scored(task, around, work.dev.expected is not None)
        ),
        seeds=len(task.seeds),
        sampled=sampled(config, task),
        dev=len(task.dev),
        given=len(given(config, task)),
        epochs=config.finetune.epochs,
        restart=config.finetune.restart,
        replay=config.finetune.replay,
        parameters=find_size(config.student.model, config.student.revision).parameters,
        answering_per_s=measured.answering_per_s if measured else None,
        finetuning_per_s=measured.finetuning_per_s if measured else None,
    )


def sampled(config: cfg.Config, task: Task) -> int:
    """Answers a round that a criterion asks for beside the attempts."""
    if "samples" not in make_criterion(config.criterion, Path.cwd()).needs:
        return 0
    few = choosing.subset(config.candidates, config.per_round, dear=True)
    return sampling(config.criterion)[0] * min(len(task.seeds), few or len(task.seeds))


def scored(task: Task, around: int, measured: bool) -> Range:
    """Tokens of a dev question's gold solution, read once more with its prompt in every evaluation."""
    golds = [(e, task.target(e)) for e in task.dev]
    read = sum(
        costs.size(e.question) + around + costs.size(gold)
        for e, gold in golds
        if gold is not None
    )
    low, high = (read / len(golds) / bytes_ for bytes_ in (costs.LONG, costs.SHORT))
    return Range(low, high, (low + high) / 2 if measured else None)


def make_facts(config: cfg.Config, task: Task, measured: Measured | None) -> Facts:
    there = next(
        path for path in (config.run_dir, *config.run_dir.parents) if path.exists()
    )
    return Facts(
        run_dir=str(config.run_dir),
        teacher=config.teacher.name,
        endpoints=endpoints(config),
        model=config.student.model,
        size=find_size(config.student.model, config.student.revision),
        method=config.finetune.method,
        keep=config.keep,
        free=shutil.disk_usage(there).free,
        caveats=tuple(caveats(config, task, measured)),
    )


def endpoints(config: cfg.Config) -> Mapping[str, str]:
    return {
        role: f"{endpoint.model} at {endpoint.base_url}"
        for role, endpoint in config.roles().items()
    }


def caveats(config: cfg.Config, task: Task, measured: Measured | None) -> list[str]:
    said = (
        ["retries and calls in doubt are not in it: each costs up to its worst case"]
        if config.roles()
        else []
    )
    if measured is None:
        said += [
            "a token is taken for 2.5 to 5 bytes (English); an answer for as long as the seeds' own, or its cap",
            "--probe N measures all of this with N real pairs and N student steps",
        ]
    elif measured.row is None:
        said += ["no bought row could be trained on: finetuning was not measured"]
    if measured and shows(config):
        said += [
            "the run buys none of the probe's pairs again: its prompts show other attempts"
        ]
    if isinstance(config.teacher, cfg.PoolTeacher):
        said += [
            "rows of the pool that are seeds, dev or test questions are not handed out, but counted here"
        ]
    if history.read(config.run_dir).next != "open":
        said += [
            "a round is under way: what it has bought is in the bill, and estimated once more"
        ]
    if (judging := make_judging(config)) is not None:
        worst = judging.worst(task.dev)
        cents = "" if worst.usd is None else f", ${worst.usd / PICO:.2f}"
        said += [
            f"judging dev is not in it: at most {worst.tokens:,} tokens{cents} each time, which is kept back"
        ]
    if isinstance(config.criterion, choosing.Lion):
        said += [
            "the teacher's answer to a seed is bought once, and counted in every round here"
        ]
    return [
        *said,
        "every pair is taken for an accepted row; all that are rejected cost the same",
    ]


def probed_facts(
    config: cfg.Config, teaching: Teaching, measured: Measured | None
) -> Probed | None:
    if measured is None:
        return None
    bought = measured.bought
    priced = all(
        role.price.input is not None and role.price.output is not None
        for role in teaching.roles
    )
    usd, rates = (
        bought.usd / PICO if priced else None,
        (measured.answering_per_s, measured.finetuning_per_s),
    )
    return Probed(bought.pairs, bought.tokens, usd, not shows(config), *rates)


def probing(config: cfg.Config, task: Task, n: int) -> Measured:
    """The run's directory is opened, and identified, as a run opens it."""
    seeds = chosen(task.seeds, n, partial(draw, config.seed, config.repeat))
    chat = Chat(config.student.system, config.student.chat_template_kwargs)
    with Run(config.run_dir, keep=config.keep) as run, wire(config, run) as wired:
        start = run.path(wired.base)
        student = freeze(start, kept_precision(run.folder))
        asked = [Asked(e.id, task.prompt(e.question)) for e in seeds]
        attempts, answered, rate = answers(
            student, chat, asked, config.student.max_new_tokens
        )
        bought = buy(
            run, wired.ledger, wired.teacher, seeds, attempts if shows(config) else ()
        )
        rows = [
            (task.prompt(d.question), d.text)
            for d in bought.drafts
            if d.question and d.text
        ]
        if len(rows) < 2:
            return Measured(bought, answered, rate, None, None)
        given_up = {"restart", "replay"}
        recipe = Recipe(
            **config.finetune.model_dump(exclude=given_up),
            precision=kept_precision(run.folder),
        )
        row, learning = learn(
            start, student, chat, rows, run, recipe, make_means(config)
        )
        return Measured(bought, answered, rate, row, learning)
