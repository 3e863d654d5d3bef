"""The steps of a round as functions, for the loop."""

from collections.abc import Callable, Sequence
from functools import partial

from ..config.config import Config
from ..criteria.selection_steps import SelectionSteps
from ..ledger.allowance import count_rows_wanted, open_round
from ..ledger.costs import Cost
from ..ledger.ledger import Ledger
from ..loop import Parts
from ..metrics.accuracy import make_report
from ..metrics.carry_over import measure_carry_over
from ..run.directory import Run
from ..student.responder import Responder
from ..student.training.dataset import (
    seed_rows,
)
from ..tasks.existing_rows import read_existing_rows
from ..tasks.table_settings import find_columns
from ..teachers.judge_grades import grade_with_judge, worst_grading_cost
from ..teachers.prompted_model import PromptedModel
from ..teachers.registered import Teacher
from ..types import (
    Allowance,
    Attempt,
    CarryOver,
    Curation,
    Example,
    Report,
    Round,
    Row,
    Student,
    Task,
)
from .drafts import make_curate, make_yield_watch
from .judges import make_grading_judge, worst_criterion_cost
from .training import Train, make_finetune


def make_parts(
    config: Config,
    task: Task,
    run: Run,
    ledger: Ledger,
    responder: Responder,
    selector: SelectionSteps,
    teacher: Teacher,
    train: Train,
    *,
    test: bool = False,
) -> Parts:
    """test: each round's student is measured on test too."""
    judge = make_grading_judge(config)
    watch = make_yield_watch(config, task, ledger)
    evaluate = partial(evaluate_student, run, responder, task, judge, ledger)
    open_next = partial(open_next_round, config, task, ledger, selector, teacher, judge)

    def carry_over(
        student: Student, attempts: Sequence[Attempt], fresh: Curation
    ) -> CarryOver:
        row_attempts = responder.answer_questions(student, fresh.rows)
        return measure_carry_over(
            fresh, attempts, row_attempts, selector.attempt_scorer
        )

    return Parts(
        initial_rows=partial(
            rows_at_start, config, task, partial(run.note_once, "rows")
        ),
        open_round=open_next,
        attempt=selector.attempt,
        gather=selector.gather,
        select=lambda attempts, gathered, baseline, past, m: selector.select(
            attempts, gathered, baseline.accuracy, past, m
        ),
        generate=lambda round, chosen, attempts, past: watch.generate(
            lambda picks: teacher.generate(round, picks, attempts), chosen.picks, past
        ),
        verify=watch.verify,
        curate=make_curate(task, watch),
        transfer=carry_over,
        finetune=make_finetune(config, task, run, train),
        evaluate=partial(evaluate, "dev", task.dev),
        test=partial(evaluate, "test", task.test) if test else None,
    )


def open_next_round(
    config: Config,
    task: Task,
    ledger: Ledger,
    selector: SelectionSteps,
    teacher: Teacher,
    judge: PromptedModel | None,
    past: Sequence[Round],
) -> Allowance | None:
    """How many pairs the next round may buy; None: it can't open."""
    seeds = selector.selectable_seeds(past)
    pairs = selector.next_pairs(past)
    limits = [
        config.per_round,
        len(seeds),
        count_rows_wanted(config.budget.accepted, past),
        teacher.left(),
    ]

    def cost_kept_back() -> Cost:
        cost = worst_criterion_cost(config, task, seeds)
        return cost + worst_grading_cost(judge, task.dev) if judge else cost

    return open_round(
        ledger, len(past), limits, partial(teacher.prices, pairs), cost_kept_back
    )


def evaluate_student(
    run: Run,
    responder: Responder,
    task: Task,
    judge: PromptedModel | None,
    ledger: Ledger,
    split: str,
    examples: Sequence[Example],
    student: Student,
) -> Report:
    answers = responder.measure_answers(student, examples)
    if judge:
        pairs = list(zip(examples, answers.attempts, strict=True))
        task = grade_with_judge(task, judge, pairs, round=run.round, ledger=ledger)
    is_baseline = run.round < 0
    return make_report(task, split, examples, *answers, with_questions=is_baseline)


def rows_at_start(
    config: Config, task: Task, on_note: Callable[[str], None] = lambda note: None
) -> tuple[Row, ...]:
    """Rows that are trained on from the start: the user's own, and the seeds' solutions."""
    rows: tuple[Row, ...] = ()
    if config.rows:
        columns = find_columns(config.task)
        rows = read_existing_rows(config.rows, task.target, on_note, columns)
    return (*rows, *seed_rows(task)) if config.include_seeds else rows
