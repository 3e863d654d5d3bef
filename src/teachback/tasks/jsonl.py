"""A task of one's own: questions in a JSONL file, with named columns and a grader."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ..errors import DataError
from ..graders.exact import squeeze
from ..graders.final import final_answer
from ..types import Example, Grade, Grader, Row, Scalar, Task
from .jsonl_file import read_jsonl


@dataclass(frozen=True)
class Columns:
    question: str = "question"
    answer: str = "answer"
    solution: str = "solution"
    id: str = "id"


@dataclass(frozen=True)
class Split:
    """path: a JSONL file. limit: how many of its rows, in the order of their keys' hashes; None for all."""

    path: Path
    limit: int | None = None


def load(
    *,
    seeds: Split,
    dev: Split | None,
    n_dev: int | None,
    test: Split | None,
    columns: Columns,
    grader: Grader,
    instruction: str | None,
) -> Task:
    """Raises DataError for files that can't be read, columns that aren't there, ids that occur twice, and empty pools.

    Without a file for dev, n_dev rows of the seeds' file are set aside: those with the smallest hash of their key, so
    that the split doesn't depend on the order of the file. Seeds may lack answers; dev and test may not.
    """
    pool = by_hash(read_examples(seeds.path, columns))
    if dev is None and n_dev is None:
        raise DataError(
            "nothing to evaluate on", fix="give task.dev, or task.n_dev rows of the seeds' file to set aside"
        )
    held = (
        take(by_hash(read_examples(dev.path, columns)), dev.limit, "task.dev")
        if dev
        else take([e for e in pool if e.answer is not None], n_dev, "task.n_dev")
    )
    held_keys = {key(e.question) for e in held}
    pool = take([e for e in pool if key(e.question) not in held_keys], seeds.limit, "task.seeds")
    tests = take(by_hash(read_examples(test.path, columns)), test.limit, "task.test") if test else []
    for name, split in (("dev", held), ("test", tests)):
        if missing := [e.id for e in split if e.answer is None]:
            raise DataError(
                f"{len(missing)} rows of {name} have no answer in the column {columns.answer!r}",
                got=", ".join(missing[:5]),
                fix="seeds may lack answers, dev and test may not",
            )
    return Task(
        name="jsonl",
        seeds=tuple(pool),
        dev=tuple(held),
        test=tuple(tests),
        prompt=lambda question: f"{instruction}\n\n{question}" if instruction else question,
        target=target,
        grade=grader.grade,
        verify=partial(verify, grader),
        exact=False,
        key=key,
    )


def key(question: str) -> str:
    """Equal for questions that differ only in white space, case or a final full stop."""
    return hashlib.sha256(squeeze(question).encode("utf-8", "replace")).hexdigest()[:32]


def verify(grader: Grader, question: str, text: str) -> Grade:
    """Without a gold answer: a row must have a question and end in an answer that the grader can read."""
    return grader.parse(question, text) if question.strip() else Grade("unparsed", reason="empty question")


def read_examples(path: Path, columns: Columns) -> list[Example]:
    examples = [example(path, line, row, columns) for line, row in enumerate(read_jsonl(path), 1)]
    if not examples:
        raise DataError(f"{path} has no rows", allowed="at least one question")
    seen: dict[str, str] = {}
    for e in examples:
        if e.id in seen:
            raise DataError(
                f"{path} has the id {e.id!r} twice",
                allowed="ids that occur once",
                fix=f"make the column {columns.id!r} unique, or remove it",
            )
        seen[e.id] = e.question
    return examples


def example(path: Path, line: int, row: Mapping[str, object], columns: Columns) -> Example:
    question = row.get(columns.question)
    if not isinstance(question, str) or not question.strip():
        raise DataError(
            f"{path}, row {line}: no question in the column {columns.question!r}",
            got=repr(question)[:80] if columns.question in row else f"the columns {', '.join(sorted(row))}",
            fix="name the column with task.question",
        )
    answer, solution, meta = row.get(columns.answer), row.get(columns.solution), row.get("meta")
    return Example(
        id=str(row.get(columns.id, f"{path.stem}-{line}")),
        question=question,
        answer=None if answer is None else str(answer),
        solution=None if solution is None else str(solution),
        meta=scalars(meta) if isinstance(meta, Mapping) else {},
    )


def scalars(meta: Mapping[str, object]) -> dict[str, Scalar]:
    return {str(k): v for k, v in meta.items() if v is None or isinstance(v, str | int | float | bool)}


def by_hash(examples: Sequence[Example]) -> list[Example]:
    """In an order that doesn't depend on the file's; of questions that are the same exercise, the first."""
    ordered = {key(e.question): e for e in reversed(examples)}
    return [ordered[k] for k in sorted(ordered)]


def take(examples: Sequence[Example], n: int | None, name: str) -> list[Example]:
    if n is not None and len(examples) < n:
        raise DataError(f"{name} asks for {n} rows, and {len(examples)} different ones are left", fix="ask for fewer")
    if not examples:
        raise DataError(f"no rows are left for {name}", fix="set fewer rows aside for dev")
    return list(examples[:n])


def given_rows(path: Path) -> tuple[Row, ...]:
    """Rows one already has: question, and the text to train on (`text`, or `solution` and `answer`)."""
    return tuple(given_row(path, line, row) for line, row in enumerate(read_jsonl(path), 1))


def given_row(path: Path, line: int, row: Mapping[str, object]) -> Row:
    e = example(path, line, row, Columns())
    text = row.get("text")
    if not isinstance(text, str):
        text = target(e)
    if text is None:
        raise DataError(
            f"{path}, row {line}: nothing to train on",
            got=f"the columns {', '.join(sorted(row))}",
            allowed="text, or solution, or answer",
        )
    return Row(f"given-{e.id}", None, 0, e.question, text, e.answer, verified=False)


def target(e: Example) -> str | None:
    """What a student should answer: the worked solution, ending in "Answer: …"."""
    if e.solution is None:
        return None if e.answer is None else f"Answer: {e.answer}"
    if e.answer is None or final_answer(e.solution) is not None:
        return e.solution
    return f"{e.solution}\nAnswer: {e.answer}"
