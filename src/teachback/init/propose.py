"""Proposes a config for a user's file: surveys it, chooses, and has the text written."""

import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import DataError
from ..graders import GRADERS
from ..tasks.rows_task import AnswerFormat
from ..types import Example, Scalar
from .choices import Choices
from .columns import NO_PICKS
from .compose import compose_config
from .guess import GraderGuess, check_answers, guess_grader
from .picks import ColumnPicks, columns_by_role, init_command_line
from .sizes import RowShares, share_rows
from .survey import HeldOutFile, Survey, first_line, survey_file, unused_file_note

# Asks a model, in the section `judge`.
JUDGE_GRADER = "judge"
# A cell of so many words may be a worked solution: of the first number where most of the column's
# cells differ, or else of the second.
MIN_DIFFERENT_WORDS = 3
MIN_PROSE_WORDS = 5

# Decides between the two graders of a guess, or raises where it can't.
AskGrader = Callable[[GraderGuess], str]


@dataclass(frozen=True)
class Proposal:
    # The YAML.
    text: str
    # What the file holds, what was chosen and why, for a person to read; a line each.
    summary: tuple[str, ...]
    # A run of it costs money: a teacher's or a judge's.
    is_paid: bool


def propose_config(
    path: Path,
    config_path: Path,
    ask_grader: AskGrader,
    *,
    grader: str | None = None,
    picks: ColumnPicks = NO_PICKS,
    subset: str | None = None,
    teacher: str | None = None,
    base_url: str | None = None,
    model: str | None = None,
) -> Proposal:
    """The config for the file `path`, as it would stand in `config_path`. Writes nothing.

    picks: columns that the user named. subset: of a data set on the Hub. teacher: "pool" or
    "openai". What is None is guessed. Raises DataError for rows that can't be used: unreadable,
    too few, without a question or an answer.
    """
    survey = survey_file(path, picks, subset)
    refuse_unanswered(survey)
    guess = (
        GraderGuess((grader,), ("as asked for",))
        if grader
        else guess_grader(survey.answered_examples)
    )
    is_certain = len(guess.graders) == 1
    chosen_grader = guess.graders[0] if is_certain else ask_grader(guess)
    check_answers(chosen_grader, survey.answered_examples)

    survey = without_unreadable_files(survey, chosen_grader)
    shares = share_rows(survey)
    contradicted_ids = find_contradicted_ids(chosen_grader, shares)
    has_pool_teacher, teacher_notes = choose_teacher(shares, teacher, survey)
    choices = Choices(
        survey=survey,
        shares=shares,
        grader=chosen_grader,
        grader_evidence="; ".join(guess.evidence),
        has_pool_teacher=has_pool_teacher,
        has_wrong_solutions=bool(contradicted_ids),
        base_url=base_url,
        model=model,
    )
    notes = (
        *survey.notes,
        *contradiction_notes(contradicted_ids),
        *teacher_notes,
        *missing_solution_notes(choices),
    )
    return Proposal(
        text=compose_config(choices, config_path),
        summary=(*survey_summary(choices), *(f"note: {note}" for note in notes)),
        is_paid=not has_pool_teacher or chosen_grader == JUDGE_GRADER,
    )


def refuse_unanswered(survey: Survey) -> None:
    """Raises DataError where no row has an answer."""
    if survey.answered_examples:
        return
    names = ", ".join(survey.filled_columns)
    raise DataError(
        f"{survey.path}: no row has an answer",
        got=f"{len(survey.examples):,} rows with the columns {names}",
        fix="seeds may lack answers, what is measured on may not: "
        + init_command_line(str(survey.path), answer="COLUMN"),
    )


def without_unreadable_files(survey: Survey, grader: str) -> Survey:
    """Drops a file for dev or test whose answers the grader can't read, and notes the reason."""
    dev, dev_notes = drop_unreadable_file(survey.dev, grader)
    test, test_notes = drop_unreadable_file(survey.test, grader)
    notes = (*survey.notes, *dev_notes, *test_notes)
    return replace(survey, dev=dev, test=test, notes=notes)


def drop_unreadable_file(
    file: HeldOutFile | None, grader: str
) -> tuple[HeldOutFile | None, tuple[str, ...]]:
    if file is None:
        return None, ()
    try:
        check_answers(grader, file.examples)
    except DataError as error:
        return None, (unused_file_note(file.path, first_line(error)),)
    return file, ()


def choose_teacher(
    shares: RowShares, teacher: str | None, survey: Survey
) -> tuple[bool, tuple[str, ...]]:
    """Whether a pool of the file's own rows teaches, and notes for the user.

    teacher: the user's choice, or None. Raises DataError for a pool that has too few rows.
    """
    if teacher == "openai":
        return False, ()
    if survey.source.hub is not None:
        if teacher == "pool":
            raise DataError(
                "a pool hands out the rows of a file, and these are on the Hub",
                got=survey.path,
                fix="save them as a file, or --teacher openai",
            )
        return False, (
            "the rows are on the Hub, and a pool hands out those of a file: a model must write "
            "them. Fill in the lines of `teacher:` and `prices:`",
        )
    if len(shares.reserve) >= shares.n_pairs:
        return True, ()
    shortage = (
        f"{len(shares.reserve)} rows with an answer are left for a pool to hand out, and "
        f"{shares.n_pairs} are needed"
    )
    if teacher == "pool":
        raise DataError(
            f"{survey.path}: {shortage}",
            fix="give a larger file, or --teacher openai",
        )
    return False, (
        f"{shortage}: a model must write them. Fill in the lines of `teacher:` and `prices:`",
    )


def find_contradicted_ids(grader: str, shares: RowShares) -> list[str]:
    """Ids in dev and test whose solution ends in another answer than the row has.

    A task refuses such rows: a student that learned the solution would be wrong.
    """
    if grader not in GRADERS or not GRADERS[grader].checks_golds:
        return []
    form = AnswerFormat(GRADERS[grader].make())
    ids = []
    for example in (*shares.splits.dev, *shares.splits.test):
        if example.solution is None:
            continue
        target = form.target(example) or ""
        if form.grader.grade(example, target).outcome != "right":
            ids.append(example.id)
    return ids


def contradiction_notes(ids: Sequence[str]) -> tuple[str, ...]:
    if not ids:
        return ()
    return (
        "the solutions are not used, because some end in another answer than their row has: "
        f"mend {', '.join(ids[:3])}",
    )


def missing_solution_notes(choices: Choices) -> tuple[str, ...]:
    if choices.has_solutions or not choices.has_pool_teacher:
        return ()
    note = "no worked solutions: from these rows the student learns bare answers, without steps"
    columns = find_prose_columns(choices.survey.examples)
    if columns:
        name = columns[0]
        note += f". If column {name!r} has them, add --solution {shlex.quote(name)}"
    return (note,)


def find_prose_columns(examples: Sequence[Example]) -> list[str]:
    """Columns without a role whose cells are mostly texts of several words."""
    cells_by_name: dict[str, list[Scalar]] = {}
    for example in examples:
        for name, cell in example.meta.items():
            cells_by_name.setdefault(name, []).append(cell)
    return [name for name, cells in cells_by_name.items() if is_prose(cells)]


def is_prose(cells: Sequence[Scalar]) -> bool:
    texts = [cell for cell in cells if isinstance(cell, str)]
    are_different = 2 * len(set(texts)) > len(cells)
    n_words = MIN_DIFFERENT_WORDS if are_different else MIN_PROSE_WORDS
    return 2 * sum(len(text.split()) >= n_words for text in texts) > len(cells)


def survey_summary(choices: Choices) -> Iterator[str]:
    """The file's rows and columns, the files beside it, the grader, and the shares of the rows."""
    survey, sizes = choices.survey, choices.shares.sizes
    columns = [
        role if name == role else f"{role} {name!r}"
        for role, name in columns_by_role(survey.columns).items()
    ]
    shape = f"{survey.shape}; " if survey.shape else ""
    n_answered = sum(e.answer is not None for e in survey.examples)
    yield (
        f"{survey.path.name}: {len(survey.examples):,} rows, {n_answered:,} with an answer; "
        f"{shape}columns: {', '.join(columns)}"
    )

    for split, file in (("dev", survey.dev), ("test", survey.test)):
        if file is not None:
            yield (
                f"{split}: {file.path.name}, which lies beside it, "
                f"{len(file.examples):,} rows"
            )
    yield f"grader {choices.grader}: {choices.grader_evidence}"

    sizes_by_split = {"dev": sizes.dev, "test": sizes.test}
    held_out = [f"{n} {split}" for split, n in sizes_by_split.items() if n]
    yield (
        f"shares: {sizes.seeds} seeds, {', '.join(held_out)}; "
        f"{len(choices.shares.reserve):,} rows are left"
    )
