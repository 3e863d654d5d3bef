"""From the config to the teacher, and to how many pairs a round may buy."""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

from ..config.config import Config
from ..criteria.candidates import selectable_seeds
from ..ledger.allowance import count_affordable_pairs, count_rows_wanted
from ..ledger.costs import Cost
from ..ledger.ledger import Ledger
from ..tasks import TASKS
from ..teachers import TEACHERS
from ..teachers.registered import Teacher, TeacherContext, TeacherRun
from ..types import Allowance, Round, Task
from .judges import make_grading_judge


def make_teacher_context(config: Config, task: Task) -> TeacherContext:
    entry = TASKS.get(task.name.partition("/")[0])
    return TeacherContext(
        task,
        config.prices,
        config.verifier,
        answers_seeds=config.criterion.asks_teacher,
        program_sources=entry.read_program() if entry else (),
    )


def teacher_fingerprint(config: Config, task: Task) -> str:
    """sha256 of all that decides what the teacher is asked: part of the run's identity."""
    context = make_teacher_context(config, task)
    return TEACHERS[config.teacher.name].fingerprint(config.teacher, context)


def make_teacher(config: Config, task: Task, run: TeacherRun) -> Teacher:
    context = make_teacher_context(config, task)
    return TEACHERS[config.teacher.name].make(config.teacher, context, run)


def open_round(
    config: Config,
    task: Task,
    ledger: Ledger,
    teacher: Teacher,
    worst_asking_cost: Callable[[Sequence[Round]], Cost],
    past: Sequence[Round],
) -> Allowance | None:
    """How many pairs the next round may buy; None: it can't open.

    worst_asking_cost(past): the most that the criterion's own questions can cost. After a call
    that used more than its worst case no round opens: no budget can be held then.
    """
    times_selected = Counter(pick.seed for r in past for pick in r.chosen.picks)
    ids = selectable_seeds(
        [seed.id for seed in task.seeds], config.reuse_seeds, config.per_round, past
    )
    pool = [seed for seed in task.seeds if seed.id in ids]
    limits = [
        config.per_round,
        len(pool),
        count_rows_wanted(config.budget.accepted, past),
        teacher.left(),
    ]
    if ledger.overran:
        return None

    def cost_kept_back() -> Cost:
        judge = make_grading_judge(config)
        asking = worst_asking_cost(past)
        return asking + judge.worst(task.dev) if judge else asking

    pairs = count_affordable_pairs(
        ledger.amount_left(before_round=len(past)),
        limits,
        partial(teacher.prices, [(seed, times_selected[seed.id]) for seed in pool]),
        cost_kept_back,
    )
    return Allowance(pairs) if pairs else None
