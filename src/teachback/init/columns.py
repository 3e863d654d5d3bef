"""Which column of a file is what: by its name, and by what it holds."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..errors import DataError
from ..graders.final import final_answer
from ..tasks.table import ExampleColumns

Row = Mapping[str, object]

# In order of preference. "output" may hold either: its values tell
QUESTION = (
    "question",
    "problem",
    "prompt",
    "query",
    "instruction",
    "input",
    "text",
    "task",
    "puzzle",
    "sentence",
)
ANSWER = (
    "answer", "final_answer", "gold_answer", "correct_answer", "expected_answer", "short_answer",
    "label", "target",
    "gold", "correct", "answer_key", "answerkey", "ground_truth", "expected", "result", "output",
    "completion",
    "response",
)  # fmt: skip
SOLUTION = (
    "solution", "worked_solution", "rationale", "reasoning", "cot", "chain_of_thought",
    "explanation", "proof", "steps",
    "generated_solution", "response", "completion", "output",
)  # fmt: skip
ID = ("id", "uid", "uuid", "unique_id", "question_id", "qid", "idx")
OPTIONS = ("options", "choices")
SHORT = (
    100  # characters of an answer; what is longer at the median is a worked solution
)


@dataclass(frozen=True)
class Found:
    """columns: as a task takes them; None where the file has none that can be used. notes: for a
    person to read.
    """

    columns: ExampleColumns
    notes: tuple[str, ...] = ()


def find(
    rows: Sequence[Row],
    source: str,
    question: str | None = None,
    answer: str | None = None,
) -> Found:
    """question, answer: names that were given, which are taken as they are.

    Raises DataError without a question.
    """
    names = {name: None for row in rows for name in row}  # in the order of the file
    if not rows:
        raise DataError(f"{source} has no rows", allowed="at least one question")
    for given in (question, answer):
        if given is not None and given not in names:
            raise DataError(
                f"{source} has no column {given!r}",
                got=listed(names),
                fix="name one of them",
            )
    asked = question or question_column(rows, names, source)
    others = [name for name in names if name != asked]
    short, worked = answer_columns(rows, others, answer)
    if short is None and worked is None and (bad := unreadable(rows, others)):
        raise DataError(
            f"{source}: the column {bad!r} is no text",
            got=short_repr(
                next(row[bad] for row in rows if isinstance(row.get(bad), list | dict))
            ),
            allowed="a text, a number, true or false",
            fix="give each row one answer, or name another column with --answer",
        )
    id = next((name for name in matching(others, ID) if distinct(rows, name)), None)
    return Found(
        ExampleColumns(asked, short, worked, id),
        tuple(remarks(rows, others, asked, short, worked)),
    )


def question_column(rows: Sequence[Row], names: Iterable[str], source: str) -> str:
    """The first by name whose values are texts; one that says the same in every row only if there
    is no other.
    """
    fit = [
        name
        for name in matching(names, QUESTION)
        if sum(filled(row, name) for row in rows) * 2 > len(rows)
    ]
    if not fit:
        raise DataError(
            f"{source}: no column looks like a question",
            got=f"the columns {listed(names)}",
            allowed=f"a text in a column such as {', '.join(QUESTION[:5])}",
            fix="name it with --question COLUMN",
        )
    return max(
        fit, key=lambda name: len({str(row.get(name)) for row in rows}) * 2 > len(rows)
    )


def answer_columns(
    rows: Sequence[Row], names: Sequence[str], given: str | None
) -> tuple[str | None, str | None]:
    """The columns of the short answer and of the worked solution.

    Where only worked solutions name the answer ("#### 18"), there is no column of answers: a task
    takes them out.
    """
    usable = [name for name in names if (found := values(rows, name)) and scalar(found)]
    answers = [given] if given else matching(usable, ANSWER)
    marked = {
        name
        for name in {*answers, *matching(usable, SOLUTION)}
        if is_worked(values(rows, name))
    }
    long = {name for name in usable if is_long(values(rows, name))}
    short = next(
        (name for name in answers if name not in marked and name not in long), None
    )
    if short is None and not marked:
        short = next(iter(answers), None) or next(
            (n for n in matching(usable, SOLUTION) if n not in long), None
        )
    worked = [
        *matching(usable, SOLUTION),
        *(name for name in answers if name in marked or name in long),
    ]
    worked = [name for name in worked if name != short]
    return short, min(
        worked, key=lambda name: short is None and name not in marked, default=None
    )


def remarks(
    rows: Sequence[Row],
    names: Sequence[str],
    asked: str,
    short: str | None,
    worked: str | None,
) -> Iterable[str]:
    if short is None and worked is not None:
        yield (
            f"the column {worked!r} holds worked solutions that end in the answer: it is "
            "taken out of them"
        )
    if short is not None and is_long(values(rows, short)):
        yield (
            f"the answers in {short!r} are long, and are wanted word for word: for free "
            "words there is grader: judge"
        )
    if options := next(
        (
            name
            for name in matching(names, OPTIONS)
            if any(row.get(name) for row in rows)
        ),
        None,
    ):
        yield (
            f"the student does not see the column {options!r}: put the options into the "
            "question, as (A) … (B) …"
        )
    unused = [name for name in matching(names, QUESTION) if name not in (short, worked)]
    if unused := [name for name in unused if any(filled(row, name) for row in rows)]:
        yield f"the student sees the column {asked!r} only, not {', '.join(map(repr, unused))}"


def matching(names: Iterable[str], wanted: Sequence[str]) -> list[str]:
    """The names that are among the wanted ones, in the order of these; case, spaces and hyphens
    aside.
    """
    by_form: dict[str, str] = {}
    for name in names:
        by_form.setdefault(
            name.strip().lower().replace(" ", "_").replace("-", "_"), name
        )
    return [by_form[form] for form in wanted if form in by_form]


def values(rows: Sequence[Row], name: str) -> list[object]:
    return [row[name] for row in rows if row.get(name) is not None]


def scalar(found: Sequence[object]) -> bool:
    """Of text, numbers or truth values, and not all of them blank."""
    return not any(isinstance(v, list | dict) for v in found) and any(
        str(v).strip() for v in found
    )


def is_worked(found: Sequence[object]) -> bool:
    """Nearly all are texts that end in a marked answer: "#### 18", \\boxed{18}, "Answer: 18"."""
    texts = [v for v in found if isinstance(v, str)]
    return bool(texts) and sum(
        final_answer(text) is not None for text in texts
    ) >= 0.9 * len(found)


def is_long(found: Sequence[object]) -> bool:
    return sorted(len(str(v)) for v in found)[len(found) // 2] > SHORT


def unreadable(rows: Sequence[Row], names: Sequence[str]) -> str | None:
    fit = matching(names, (*ANSWER, *SOLUTION))
    return next(
        (
            name
            for name in fit
            if any(isinstance(row.get(name), list | dict) for row in rows)
        ),
        None,
    )


def filled(row: Row, name: str) -> bool:
    value = row.get(name)
    return isinstance(value, str) and bool(value.strip())


def distinct(rows: Sequence[Row], name: str) -> bool:
    """Every row has an id of its own: a text or a number."""
    found = values(rows, name)
    return len(found) == len(rows) == len({str(v) for v in found}) and scalar(found)


def listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


def short_repr(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)[:80]
