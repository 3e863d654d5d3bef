"""A task of one's own: questions in a JSONL file or on the Hub, with named columns and a grader."""

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from ..errors import DataError
from ..types import Example, Grade, Grader, Task
from .keys import text_key
from .splits import Sizes, split


class Form(NamedTuple):
    """How one kind of question is answered and graded. checked: gold answers are tried on the grader first."""

    grader: Grader
    key: Callable[[str], str] = text_key
    own_target: Callable[[Example], str | None] | None = None  # None: `target` below
    own_prompt: Callable[[str], str] | None = (
        None  # None: the instruction, then the question
    )
    exact: bool = False
    templated: bool = False
    checked: bool = True

    def target(self, e: Example) -> str | None:
        return target(self.grader, e) if self.own_target is None else self.own_target(e)


HASHES = re.compile(r"\n?####[ \t]*([^\n]*)\s*$")


def load(
    seeds: Sequence[Example],
    *,
    dev: Sequence[Example] | None,
    test: Sequence[Example] | None,
    sizes: Sizes,
    form: Form,
    name: str = "jsonl",
    seed: int = 0,
    instruction: str | None = None,
    templated: bool = False,
    by: tuple[str, ...] = (),
) -> Task:
    """dev, test: rows of their own, or None: `sizes` says how many of the seeds' are set aside.

    Raises DataError for splits that can't be, for gold answers that the grader itself calls wrong, and for a meta
    field in `by` that no row of dev or test has.
    """
    splits = split(seeds, sizes, key=form.key, dev=dev, test=test, seed=seed)
    measured = (*splits.dev, *splits.test)
    if form.checked:
        check_golds(form, measured)
    for field in by:
        if not any(field in e.meta for e in measured):
            known = sorted({name for e in measured for name in e.meta})
            raise DataError(
                "task.by names a field that no row has",
                got=field,
                allowed=", ".join(known) or "none",
            )
    return Task(
        name=name,
        seeds=splits.seeds,
        dev=splits.dev,
        test=splits.test,
        prompt=form.own_prompt
        or (
            lambda question: f"{instruction}\n\n{question}" if instruction else question
        ),
        target=form.target,
        grade=form.grader.grade,
        verify=partial(verify, form.grader),
        exact=form.exact,
        key=form.key,
        templated=form.templated or templated,
        by=by,
    )


def check_golds(form: Form, examples: Sequence[Example]) -> None:
    """A gold answer that is not even right by its own words would make every student wrong."""
    bad = [
        e
        for e in examples
        if form.grader.grade(e, form.target(e) or "").outcome != "right"
    ]
    if bad:
        raise DataError(
            f"{len(bad)} gold answers can't be read by task.grader",
            got="; ".join(f"{e.id}: {str(e.answer)[:60]!r}" for e in bad[:3]),
            fix="choose the grader that fits them (exact takes any text), or mend the rows",
        )


def verify(grader: Grader, question: str, text: str) -> Grade:
    """Without a gold answer: a row must have a question and end in an answer that the grader can read."""
    return (
        grader.parse(question, text)
        if question.strip()
        else Grade("unparsed", reason="empty question")
    )


def target(grader: Grader, e: Example) -> str | None:
    """What a student should answer: the worked solution, ending in "Answer: …" unless it names its answer so that the
    grader can read it."""
    if e.solution is None:
        return None if e.answer is None else f"Answer: {e.answer}"
    if found := HASHES.search(e.solution):
        return f"{e.solution[: found.start()]}\nAnswer: {found[1]}"
    if e.answer is None or grader.grade(e, e.solution).outcome != "unparsed":
        return e.solution
    return f"{e.solution}\nAnswer: {e.answer}"


def plain(e: Example) -> str | None:
    """For answers in free words: the solution, or the answer, as it is."""
    return e.solution or e.answer
