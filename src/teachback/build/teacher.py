"""Teachers and budgets, from the config: the part of the wiring that costs money."""

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from ..config import config as cfg
from ..criteria.candidates import selectable_seeds
from ..criteria.lion import LionSettings
from ..errors import ConfigError, DataError
from ..ledger.costs import (
    Budget,
    Cost,
    Meter,
    price_per_token,
    to_kiloflops,
    to_picodollars,
)
from ..ledger.ledger import Ledger
from ..rng import draw
from ..tasks import TASKS
from ..teachers import Teacher, program
from ..types import Allowance, Attempt, Example, Round, Task

if TYPE_CHECKING:
    from ..endpoints.endpoint import Endpoint
    from ..serve.program import DrawFunction, SolveFunction
    from ..teachers.judging import Judging
    from ..teachers.openai import Asking
    from ..teachers.pool import Pool
    from ..teachers.prompts import Prompts

Tell = Callable[[int, int], None]

BARREN = 3  # rounds without an accepted row after which more of them are hopeless


def make_budget(budget: cfg.BudgetConfig) -> Budget:
    """Without `accepted`, which is no matter of the ledger: what is accepted is known when the round is paid for."""
    usd = None if budget.usd is None else to_picodollars(budget.usd)
    flops = None if budget.flops is None else to_kiloflops(budget.flops)
    return Budget(budget.generated, budget.teacher_tokens, usd, flops)


def make_total(total: cfg.TotalConfig | None) -> Budget:
    """Of all arms of a comparison together."""
    return Budget() if total is None else make_budget(cfg.BudgetConfig(**vars(total)))


def meter(
    config: cfg.Config, ledger: Ledger, tell: Callable[[int, int, object], None]
) -> Tell:
    """tell(done, total) with what is spent by then: a few times a second, because the ledger is at work."""
    limits = [
        n
        for n in (
            config.budget.generated,
            config.rounds and config.rounds * config.per_round,
        )
        if n
    ]
    next_at = 0.0

    def told(done: int, total: int) -> None:
        nonlocal next_at
        if done == total or time.monotonic() >= next_at:
            next_at = time.monotonic() + 0.25
            tell(
                done,
                total,
                Meter(ledger.amount_paid(), ledger.budget, min(limits, default=None)),
            )

    return told


def affordable(
    config: cfg.Config,
    task: Task,
    ledger: Ledger,
    teacher: Teacher,
    worst_asking_cost: Callable[[Sequence[Round]], Cost],
    past: Sequence[Round],
) -> Allowance | None:
    """The pairs that the budget leaves for the next round. A round opens if even the dearest pair can be paid, before
    it what the criterion asks others (worst_asking_cost), and after it the judging of dev, where a judge grades it:
    both are kept back.

    None after a call used more than its worst case, too: where that happens no budget can be held.
    """
    selected = Counter(pick.seed for r in past for pick in r.chosen.picks)
    open_ = selectable_seeds(
        [e.id for e in task.seeds], config.reuse_seeds, config.per_round, past
    )
    pool = [e for e in task.seeds if e.id in open_]
    left = ledger.amount_left(before_round=len(past))
    limits = [left.generated, wanted(config.budget, past), teacher.left()]
    pairs = min(
        config.per_round, len(pool), *(limit for limit in limits if limit is not None)
    )
    if pairs < 1 or ledger.overran:
        return None
    if (left.teacher_tokens, left.usd, left.flops) != (None, None, None):
        worst = teacher.prices([(e, selected[e.id]) for e in pool])
        judging, kept = make_judging(config), worst_asking_cost(past)
        kept = kept + judging.worst(task.dev) if judging else kept
        for limit, back, costs in (
            (left.teacher_tokens, kept.tokens, [cost.tokens for cost in worst]),
            (left.usd, kept.usd, [cost.usd for cost in worst]),
            (left.flops, kept.flops, [cost.flops for cost in worst]),
        ):
            if back != 0 and limit is not None:
                pairs = min(
                    pairs, within(costs, limit - back if back is not None else 0)
                )
            elif not fits(costs, limit):
                return None
    return Allowance(pairs) if pairs >= 1 else None


def within(costs: Sequence[int | None], left: int) -> int:
    """So many of the dearest that they can't use more than what is left, whichever are bought."""
    known = [cost for cost in costs if cost is not None]
    return (
        0 if len(known) < len(costs) else left // max(max(known), 1) if left > 0 else 0
    )


def wanted(budget: cfg.BudgetConfig, past: Sequence[Round]) -> int | None:
    """The rows that `accepted` still asks for: none when the last rounds show that no more will be accepted."""
    if budget.accepted is None:
        return None
    accepted = [len(r.fresh.rows) for r in past]
    barren = len(accepted) >= BARREN and not any(accepted[-BARREN:])
    return 0 if barren else budget.accepted - sum(accepted)


def fits(costs: Sequence[int | None], left: int | None) -> bool:
    return left is None or all(cost is not None and cost <= left for cost in costs)


def make_teacher(
    config: cfg.Config,
    task: Task,
    ledger: Ledger,
    count: Callable[[str], int],
    prompt: str,
    pool: "Pool | None" = None,
    tell: Tell = lambda done, total: None,
) -> Teacher:
    """count: tokens of a text, for teachers that are metered as if bought. prompt: what `prompt_hash` says. pool: for
    the teacher of that name. tell(done, total): drafts."""
    seeds = {e.id: e for e in task.seeds}
    if isinstance(config.teacher, cfg.OpenAITeacher):
        return asked(config, config.teacher, task, seeds, ledger, tell)
    if isinstance(config.teacher, cfg.ProgramTeacher):
        return programmed(config, task, seeds, ledger, count, prompt)
    assert pool is not None
    return handing_out(pool, seeds, ledger, prompt)


def handing_out(
    pool: "Pool", seeds: Mapping[str, Example], ledger: Ledger, prompt: str
) -> Teacher:
    from ..teachers import pool as teacher

    return Teacher(
        prices=lambda pairs: teacher.prices(ledger, pool, [seed for seed, _ in pairs]),
        generate=lambda round, picks, attempts: teacher.generate(
            picks, seeds, round=round, ledger=ledger, pool=pool, prompt=prompt
        ),
        left=lambda: teacher.left(ledger, pool),
    )


def programmed(
    config: cfg.Config,
    task: Task,
    seeds: Mapping[str, Example],
    ledger: Ledger,
    count: Callable[[str], int],
    prompt: str,
) -> Teacher:
    if task.write is None:
        what = f"the task {task.name} can't set exercises of its own"
        raise ConfigError(
            what, got="teacher.name: program", fix="use teacher.name: openai"
        )
    written = program.Program(task, partial(draw, config.seed, config.repeat), count)
    return Teacher(
        prices=lambda pairs: [written.price(seed, n) for seed, n in pairs],
        generate=lambda round, picks, attempts: program.generate(
            picks, seeds, round=round, ledger=ledger, program=written, prompt=prompt
        ),
    )


def asked(
    config: cfg.Config,
    teacher: cfg.OpenAITeacher,
    task: Task,
    seeds: Mapping[str, Example],
    ledger: Ledger,
    tell: Tell,
) -> Teacher:
    from ..teachers import openai

    asking = make_asking(config, teacher)
    longest = "x" * openai.ATTEMPT_BYTES if teacher.show_attempt else None
    return Teacher(
        prices=lambda pairs: [
            openai.price(seed, n, asking, longest) for seed, n in pairs
        ],
        generate=lambda round, picks, attempts: openai.generate(
            picks,
            seeds,
            round=round,
            ledger=ledger,
            asking=asking,
            attempts=wrong(attempts, seeds, task) if teacher.show_attempt else None,
            tell=tell,
        ),
    )


def make_asking(config: cfg.Config, teacher: cfg.OpenAITeacher) -> "Asking":
    from ..teachers import openai

    verifier = config.verifier
    return openai.Asking(
        endpoint=make_endpoint(teacher, config.prices),
        prompts=make_prompts(config, teacher),
        max_tokens_question=teacher.max_tokens_question,
        max_tokens_answer=teacher.max_tokens_answer,
        votes=teacher.votes,
        thinking=teacher.train_on_thinking,
        verifier=make_endpoint(verifier, config.prices) if verifier else None,
        max_tokens_verifier=verifier.max_tokens if verifier else 0,
    )


def check_endpoints(config: cfg.Config) -> None:
    """Raises ConfigError for what would fail at the first call: an endpoint that can't be, a key that isn't there."""
    for given in config.roles().values():
        make_endpoint(given, config.prices).key()


def make_judging(config: cfg.Config) -> "Judging | None":
    """The judge that grades, or None. Raises ConfigError for a prompt that can't be read or lacks a field."""
    if config.judge is None:
        return None
    from ..teachers import judging
    from ..teachers.prompts import SHIPPED, read_template

    template = read_template(
        config.judge.prompt or SHIPPED / "judge.txt", judging.FIELDS
    )
    return judging.Judging(
        make_endpoint(config.judge, config.prices), template, config.judge.max_tokens
    )


def make_endpoint(
    given: cfg.EndpointConfig, prices: Mapping[str, cfg.PriceConfig]
) -> "Endpoint":
    from ..endpoints.endpoint import Endpoint

    fields = given.model_dump(include=set(cfg.EndpointConfig.model_fields))
    known = prices.get(given.model)
    table = (
        known.model_dump(exclude={"as_of"})
        if known
        else dict.fromkeys(("input", "output", "cached", "parameters"))
    )
    return Endpoint(**fields, price=price_per_token(**table))


def make_prompts(config: cfg.Config, teacher: cfg.OpenAITeacher) -> "Prompts":
    from ..teachers.prompts import load_prompts

    alone = (
        teacher.votes > 1
        or config.verifier is not None
        or isinstance(config.criterion, LionSettings)
    )
    return load_prompts(
        teacher.prompts,
        calls=teacher.calls,
        show_attempt=teacher.show_attempt,
        answers=alone,
    )


def wrong(
    attempts: Sequence[Attempt], seeds: Mapping[str, Example], task: Task
) -> dict[str, str]:
    """The attempts that a gold answer shows to be wrong, as far as a prompt holds them."""
    from ..teachers.openai import shown

    told = [(a, seeds[a.id]) for a in attempts if seeds[a.id].answer is not None]
    return {
        a.id: shown(a.text)
        for a, seed in told
        if a.truncated or task.grade(seed, a.text).outcome != "right"
    }


def rehearsal(
    config: cfg.Config, task: Task, prompts: str | None
) -> "tuple[DrawFunction, dict[str, str], SolveFunction | None]":
    """The task's draws, the prompts to recognise and a solver: what the rehearsal server is made of."""
    from ..tasks import game24, prontoqa
    from ..teachers.prompts import all_templates

    given = (
        config.teacher.prompts
        if isinstance(config.teacher, cfg.OpenAITeacher)
        else "logic"
    )
    solve = {
        "prontoqa": prontoqa.solve_prontoqa,
        "game24": game24.solve_game24,
    }.get(task.name)
    return (
        partial(draw, config.seed, config.repeat),
        all_templates(prompts or given),
        solve,
    )


def prompt_hash(config: cfg.Config, task: Task) -> str:
    """sha256 of what the teacher is asked with: its prompt files, or the program's source."""
    if isinstance(config.teacher, cfg.OpenAITeacher):
        return make_prompts(config, config.teacher).sha256
    if isinstance(config.teacher, cfg.PoolTeacher):
        return hashlib.sha256(read_bytes(config.teacher.rows)).hexdigest()
    entry = TASKS.get(task.name.partition("/")[0])
    sources = entry.program_files if entry else ()
    texts = [
        files("teachback").joinpath("tasks", f"{name}.py").read_bytes()
        for name in sources
    ]
    return hashlib.sha256(b"".join([task.name.encode(), *texts])).hexdigest()


def read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(
            f"the reserve {path} can't be read: {error}",
            fix="give a file of JSON lines",
        ) from error
