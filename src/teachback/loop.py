"""The order of a round, and nothing else. Each line is one step: a plain function of the values above it.

`run.step` keeps what a step returned in the run's directory and from then on reads it back, so that the same command
after a crash passes through the same lines with the same values. What the steps do is in `Parts`, made by wire.py.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count

from .run.directory import Run
from .types import (
    Allowance,
    Attempt,
    Attempts,
    Curated,
    Draft,
    Example,
    Gathered,
    Report,
    Round,
    Row,
    Selection,
    Student,
    Transfer,
    Verdict,
)


@dataclass(frozen=True)
class Parts:
    """The steps as functions. Anything with these signatures is a run: see `teachback.testing` for one without a model.

    given()                                      rows that one already has
    affordable(past)                             how many pairs the next round may buy; None: it can't open
    attempt(student, pool)                       the student's own answer to every seed
    gather(student, attempts, past, m)           what the criterion needs beyond the attempts
    select(attempts, gathered, baseline, past, m)  the criterion's m seeds
    generate(round, chosen, attempts)            the teacher's drafts, through the ledger
    verify(drafts)                               what can be said of each draft without a gold answer
    curate(verdicts, rows)                       fresh rows; the others with their reasons
    transfer(student, attempts, fresh)           the same student on the fresh rows
    finetune(base, student, rows, fresh)         the next student
    evaluate(student)                            accuracy on dev
    test(student)                                accuracy on test, where arms are compared: no step reads it
    """

    given: Callable[[], tuple[Row, ...]]
    affordable: Callable[[Sequence[Round]], Allowance | None]
    attempt: Callable[[Student, Sequence[Example]], Attempts]
    gather: Callable[[Student, Attempts, Sequence[Round], int], Gathered]
    select: Callable[[Attempts, Gathered, Report, Sequence[Round], int], Selection]
    generate: Callable[[int, Selection, Sequence[Attempt]], tuple[Draft, ...]]
    verify: Callable[[Sequence[Draft]], tuple[Verdict, ...]]
    curate: Callable[[Sequence[Verdict], Sequence[Row]], Curated]
    transfer: Callable[[Student, Sequence[Attempt], Curated], Transfer]
    finetune: Callable[[Student, Student, Sequence[Row], Sequence[Row]], Student]
    evaluate: Callable[[Student], Report]
    test: Callable[[Student], Report] | None = None


@dataclass(frozen=True)
class History:
    """What a run did: the untuned student's report, the rounds, the training set, and the student to use."""

    baseline: Report
    rounds: tuple[Round, ...]
    rows: tuple[Row, ...]
    student: Student


def teach(
    run: Run, parts: Parts, base: Student, pool: Sequence[Example], rounds: int | None
) -> History:
    """Rounds until the budget is spent, or `rounds` of them."""
    past: list[Round] = []
    given = run.step(0, "given", parts.given)
    rows = list(given)
    baseline = run.step(0, "baseline", parts.evaluate, base)
    student = (
        run.step(0, "start", parts.finetune, base, base, rows, rows) if rows else base
    )
    for r in count() if rounds is None else range(rounds):
        step = run.steps(r)
        allowance = step(
            "open", parts.affordable, past
        )  # from the spend of earlier rounds only
        if allowance is None:
            break
        attempts = step("attempt", parts.attempt, student, pool)
        gathered = step(
            "gather", parts.gather, student, attempts, past, allowance.pairs
        )
        chosen = step(
            "select", parts.select, attempts, gathered, baseline, past, allowance.pairs
        )
        drafts = step("generate", parts.generate, r, chosen, attempts.rows)
        verdicts = step("verify", parts.verify, drafts)
        fresh = step("curate", parts.curate, verdicts, rows)
        transfer = step("transfer", parts.transfer, student, attempts.rows, fresh)
        rows = [*rows, *fresh.rows]
        student = step("finetune", parts.finetune, base, student, rows, fresh.rows)
        report = step("evaluate", parts.evaluate, student)
        if parts.test:
            step("test", parts.test, student)
        past = [*past, Round(chosen, fresh, transfer, student, report)]
        run.keep_weights(past)
    return History(baseline, tuple(past), tuple(rows), run.final_student(past, student))
