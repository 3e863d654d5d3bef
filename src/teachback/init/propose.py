"""What is seen in a file, put together to a config."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import DataError
from ..graders import GRADERS
from ..tasks.own import AnswerFormat
from .compose import Choices, compose
from .guess import Guess, check, guess
from .sizes import Shares, share
from .survey import Held, Survey, look

Ask = Callable[[Guess], str]


@dataclass(frozen=True)
class Proposal:
    """text: the YAML. seen: what was looked at and why it was chosen, a line each. buys: its
    teacher costs money.
    """

    text: str
    seen: tuple[str, ...]
    buys: bool


def propose(
    path: Path,
    out: Path,
    ask: Ask,
    *,
    grader: str | None = None,
    question: str | None = None,
    answer: str | None = None,
    teacher: str | None = None,
    base_url: str | None = None,
    model: str | None = None,
) -> Proposal:
    """A config for a file. ask(guess): which grader, where two fit about equally; it may raise.

    Raises DataError for a file that can't be used: unreadable, empty, too small, without a
    question or an answer.
    """
    survey = look(path, question, answer)
    found = Guess((grader,), ("as asked for",)) if grader else guess(survey.answered)
    chosen = found.graders[0] if len(found.graders) == 1 else ask(found)
    check(chosen, survey.answered)
    survey = readable(survey, chosen)
    shares = share(survey)
    wrong = contradicted(chosen, shares)
    pool, teacher_notes = affords(shares, teacher, survey)
    why = "; ".join(found.why)
    choices = Choices(survey, shares, chosen, why, pool, not wrong, base_url, model)
    notes = (*survey.notes, *contradictions(wrong), *teacher_notes, *unsolved(choices))
    return Proposal(
        compose(choices, out),
        (*seen(choices), *(f"note: {note}" for note in notes)),
        not pool,
    )


def readable(survey: Survey, grader: str) -> Survey:
    """Without the files beside it whose answers the grader can't read."""
    bad = {
        held: why
        for held in (survey.dev, survey.test)
        if held and (why := unread(held, grader))
    }
    notes = (
        f"{held.path.name} lies beside it and is not used: {why}"
        for held, why in bad.items()
    )
    return replace(
        survey,
        dev=None if survey.dev in bad else survey.dev,
        test=None if survey.test in bad else survey.test,
        notes=(*survey.notes, *notes),
    )


def unread(held: Held, grader: str) -> str | None:
    try:
        check(grader, held.examples)
    except DataError as error:
        return str(error).splitlines()[0]
    return None


def affords(
    shares: Shares, teacher: str | None, survey: Survey
) -> tuple[bool, tuple[str, ...]]:
    """Whether the file's own rows can teach, unless an endpoint was asked for; why not, for a
    person to read.
    """
    if teacher == "openai":
        return False, ()
    if len(shares.reserve) >= shares.pairs:
        return True, ()
    why = (
        f"{len(shares.reserve)} rows with an answer are left for a pool to hand out, and "
        f"{shares.pairs} are needed"
    )
    if teacher == "pool":
        raise DataError(
            f"{survey.path}: {why}", fix="give a larger file, or --teacher openai"
        )
    return False, (
        f"{why}: a model must write them. Fill in the lines of `teacher:` and `prices:`",
    )


def contradicted(grader: str, shares: Shares) -> list[str]:
    """Ids in dev and test whose solution ends in another answer than the row has: no student
    could be graded by it.
    """
    if grader not in GRADERS or not GRADERS[grader].checks_golds:
        return []
    measured = [
        e for e in (*shares.splits.dev, *shares.splits.test) if e.solution is not None
    ]
    form = AnswerFormat(GRADERS[grader].make())
    return [
        e.id
        for e in measured
        if form.grader.grade(e, form.target(e) or "").outcome != "right"
    ]


def contradictions(wrong: Sequence[str]) -> tuple[str, ...]:
    if not wrong:
        return ()
    named = ", ".join(wrong[:3])
    return (
        "the solutions are not used, because some end in another answer than their row has: "
        f"mend {named}",
    )


def unsolved(c: Choices) -> tuple[str, ...]:
    if c.solved or not c.pool:
        return ()
    return (
        "no worked solutions: from these rows the student learns to answer at once, without steps",
    )


def seen(c: Choices) -> list[str]:
    survey, used, sizes = c.survey, c.survey.columns, c.shares.sizes
    names = [
        ("question", used.question),
        ("answer", used.answer),
        ("solution", used.solution),
        ("id", used.id),
    ]
    said = ", ".join(
        f"{role} {name!r}" if name != role else role
        for role, name in names
        if name is not None
    )
    answered = sum(e.answer is not None for e in survey.examples)
    files = [f"{name}: {held.path.name}, which lies beside it, {len(held.examples):,} rows"
             for name, held in (("dev", survey.dev), ("test", survey.test)) if held]  # fmt: skip
    aside = [
        f"{n} {name}" for n, name in ((sizes.dev, "dev"), (sizes.test, "test")) if n
    ]
    return [
        f"{survey.path.name}: {len(survey.examples):,} rows, {answered:,} with an answer; "
        f"columns: {said}",
        *files,
        f"grader {c.grader}: {c.why}",
        f"shares: {sizes.seeds} seeds, {', '.join(aside)}; {len(c.shares.reserve):,} rows are left",
    ]
