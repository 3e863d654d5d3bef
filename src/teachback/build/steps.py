"""The steps of a round as functions, for the loop."""

from collections.abc import Sequence
from functools import partial

from ..config.config import Config
from ..criteria.selection_steps import SelectionSteps
from ..curate.training_rows import curate_rows, forbidden_keys, make_row_checks
from ..curate.verify import verify_drafts
from ..ledger.allowance import count_rows_wanted, open_round
from ..ledger.costs import Cost
from ..ledger.ledger import Ledger
from ..loop import Parts
from ..metrics.accuracy import make_report
from ..metrics.carry_over import measure_carry_over
from ..rng import draw
from ..run.directory import Run
from ..student.responder import Responder
from ..student.training.dataset import (
    format_rows,
    seed_rows,
    select_training_rows,
)
from ..tasks.existing_rows import read_existing_rows
from ..teachers.judge_grades import grade_with_judge, worst_grading_cost
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
from .judges import make_grading_judge, worst_criterion_cost
from .training import Train


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
    draw_for_run = partial(draw, config.seed, config.repeat)
    forbidden = forbidden_keys(task)
    checks = make_row_checks(task)
    judge = make_grading_judge(config)

    def open_next_round(past: Sequence[Round]) -> Allowance | None:
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

    def carry_over(
        student: Student, attempts: Sequence[Attempt], fresh: Curation
    ) -> CarryOver:
        row_attempts = responder.answer_questions(student, fresh.rows)
        return measure_carry_over(
            fresh, attempts, row_attempts, selector.attempt_scorer
        )

    def finetune(
        base: Student, student: Student, rows: Sequence[Row], fresh: Sequence[Row]
    ) -> Student:
        restart = config.finetune.restart
        start = base if restart == "base" else student
        data = select_training_rows(
            rows,
            fresh,
            restart=restart,
            replay=config.finetune.replay,
            draw=draw_for_run,
        )
        if not data:
            return start
        texts = format_rows(data, task.prompt)
        seed = draw_for_run("finetune", "", len(rows)).getrandbits(31)
        return run.student_in(train(run.path(start), texts, seed))

    def evaluate(split: str, examples: Sequence[Example], student: Student) -> Report:
        answers = responder.measure_answers(student, examples)
        pairs = list(zip(examples, answers.attempts, strict=True))
        graded_task = task
        if judge:
            graded_task = grade_with_judge(
                task, judge, pairs, round=run.round, ledger=ledger
            )
        return make_report(graded_task, split, examples, *answers)

    return Parts(
        initial_rows=partial(rows_at_start, config, task),
        open_round=open_next_round,
        attempt=selector.attempt,
        gather=selector.gather,
        select=lambda attempts, gathered, baseline, past, m: selector.select(
            attempts, gathered, baseline.accuracy, past, m
        ),
        generate=lambda round, chosen, attempts: teacher.generate(
            round, chosen.picks, attempts
        ),
        verify=lambda drafts: verify_drafts(drafts, task),
        curate=lambda verdicts, rows: curate_rows(
            verdicts,
            rows,
            key=task.key,
            forbidden=forbidden,
            seeds=task.seeds,
            checks=checks,
        ),
        transfer=carry_over,
        finetune=finetune,
        evaluate=partial(evaluate, "dev", task.dev),
        test=partial(evaluate, "test", task.test) if test else None,
    )


def rows_at_start(config: Config, task: Task) -> tuple[Row, ...]:
    """Rows that are trained on from the start: the user's own, and the seeds' solutions."""
    rows = read_existing_rows(config.rows, task.target) if config.rows else ()
    return (*rows, *seed_rows(task)) if config.include_seeds else rows
