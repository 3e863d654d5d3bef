"""The order of a round, and nothing else. Each line is one step: a function of the values above it.

`run.step` keeps what a step returned in the run's directory, and reads it back from then on. So the
same command after a crash passes through the same lines with the same values. `run/steps.py` lists
the steps. `Parts` holds the functions, which `build/` makes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count

from .run.directory import Run
from .types import (
    Allowance,
    Attempt,
    Attempts,
    CarryOver,
    Curation,
    Draft,
    Example,
    GatheredEvidence,
    Report,
    Round,
    Row,
    Selection,
    Student,
    Verdict,
)


@dataclass(frozen=True)
class Parts:
    """The steps as functions. Any functions with these signatures make a run.

    See `teachback.testing` for a run without a model.
    """

    # initial_rows(): rows to train on from the start
    initial_rows: Callable[[], tuple[Row, ...]]
    # open_round(past): how many pairs the next round may buy; None: it can't open
    open_round: Callable[[Sequence[Round]], Allowance | None]
    # attempt(student, pool): the student's own answer to every seed
    attempt: Callable[[Student, Sequence[Example]], Attempts]
    # gather(student, attempts, past, m): what the criterion needs beyond the attempts
    gather: Callable[[Student, Attempts, Sequence[Round], int], GatheredEvidence]
    # select(attempts, gathered, baseline, past, m): the criterion's m seeds
    select: Callable[
        [Attempts, GatheredEvidence, Report, Sequence[Round], int], Selection
    ]
    # generate(round, chosen, attempts, past): the teacher's drafts, paid through the ledger
    generate: Callable[
        [int, Selection, Sequence[Attempt], Sequence[Round]], tuple[Draft, ...]
    ]
    # verify(drafts): each draft, checked as far as it can be without a gold answer
    verify: Callable[[Sequence[Draft]], tuple[Verdict, ...]]
    # curate(verdicts, rows, past): the fresh rows, and why the other drafts are none
    curate: Callable[[Sequence[Verdict], Sequence[Row], Sequence[Round]], Curation]
    # transfer(student, attempts, fresh): the same student on the fresh rows
    transfer: Callable[[Student, Sequence[Attempt], Curation], CarryOver]
    # finetune(base, student, rows, fresh): the next student
    finetune: Callable[[Student, Student, Sequence[Row], Sequence[Row]], Student]
    # evaluate(student): its accuracy on dev
    evaluate: Callable[[Student], Report]
    # test(student): its accuracy on test, where arms are compared; no step reads it
    test: Callable[[Student], Report] | None = None


@dataclass(frozen=True)
class History:
    """What a run did."""

    baseline: Report  # of the untuned student
    rounds: tuple[Round, ...]
    rows: tuple[Row, ...]  # the training set
    student: Student  # the one to use


def teach(
    run: Run, parts: Parts, base: Student, pool: Sequence[Example], rounds: int | None
) -> History:
    """Run `rounds` rounds; None: until the budget is spent."""
    past: list[Round] = []
    rows = list(run.step(0, "given", parts.initial_rows))
    baseline = run.step(0, "baseline", parts.evaluate, base)
    student = base
    if rows:
        student = run.step(0, "start", parts.finetune, base, base, rows, rows)
    for r in count() if rounds is None else range(rounds):
        step = run.steps(r)
        # From the spend of earlier rounds only, so a resumed round gets the same answer.
        allowance = step("open", parts.open_round, past)
        if allowance is None:
            break
        m = allowance.pairs
        attempts = step("attempt", parts.attempt, student, pool)
        gathered = step("gather", parts.gather, student, attempts, past, m)
        chosen = step("select", parts.select, attempts, gathered, baseline, past, m)
        drafts = step("generate", parts.generate, r, chosen, attempts.rows, past)
        verdicts = step("verify", parts.verify, drafts)
        fresh = step("curate", parts.curate, verdicts, rows, past)
        transfer = step("transfer", parts.transfer, student, attempts.rows, fresh)
        rows = [*rows, *fresh.rows]
        student = step("finetune", parts.finetune, base, student, rows, fresh.rows)
        report = step("evaluate", parts.evaluate, student)
        if parts.test:
            step("test", parts.test, student)
        past = [*past, Round(chosen, fresh, transfer, student, report)]
        run.remove_old_weights(past)
    return History(baseline, tuple(past), tuple(rows), run.final_student(past, student))
