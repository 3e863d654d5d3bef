"""Tasks from the user's rows: questions in a file or on the Hub, and a grader."""

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from ..errors import DataError
from ..types import Example, Grade, Grader, Task
from .keys import text_key
from .splits import SplitSizes, split_examples

HASHES_ANSWER = re.compile(r"\n?####[ \t]*([^\n]*)\s*$")


class AnswerFormat(NamedTuple):
    """How one kind of question is answered and graded."""

    grader: Grader
    key: Callable[[str], str] = text_key
    custom_target: Callable[[Example], str | None] | None = (
        None  # None: `solution_target`
    )
    custom_prompt: Callable[[str], str] | None = (
        None  # None: instruction, then question
    )
    exact: bool = False  # see types.Task
    templated: bool = False  # see types.Task
    checks_golds: bool = True  # gold answers are tried on the grader first

    def target(self, example: Example) -> str | None:
        if self.custom_target is not None:
            return self.custom_target(example)
        return solution_target(self.grader, example)


def make_task_from_rows(
    seeds: Sequence[Example],
    *,
    dev: Sequence[Example] | None,
    test: Sequence[Example] | None,
    sizes: SplitSizes,
    form: AnswerFormat,
    name: str = "files",
    seed: int = 0,
    instruction: str | None = None,
    templated: bool = False,
    by: tuple[str, ...] = (),
) -> Task:
    """dev, test: rows of their own. Without them, `sizes` says how many seeds are set aside.

    Raises DataError for impossible splits, for gold answers that the grader itself calls wrong,
    and for a meta field in `by` that no row of dev or test has.
    """
    splits = split_examples(seeds, sizes, key=form.key, dev=dev, test=test, seed=seed)
    measured = (*splits.dev, *splits.test)
    if form.checks_golds:
        check_gold_answers(form, measured)
    check_meta_fields(by, measured)
    return Task(
        name=name,
        seeds=splits.seeds,
        dev=splits.dev,
        test=splits.test,
        prompt=form.custom_prompt or partial(prompt_with_instruction, instruction),
        target=form.target,
        grade=form.grader.grade,
        verify=partial(verify_answer, form.grader),
        exact=form.exact,
        key=form.key,
        templated=form.templated or templated,
        by=by,
        notes=splits.notes,
    )


def check_gold_answers(form: AnswerFormat, examples: Sequence[Example]) -> None:
    """Raises DataError for a gold answer that the grader calls wrong: no student could be right."""
    bad = []
    for example in examples:
        target = form.target(example) or ""
        if form.grader.grade(example, target).outcome != "right":
            bad.append(example)
    if bad:
        raise DataError(
            f"{len(bad)} gold answers can't be read by task.grader",
            got="; ".join(f"{e.id}: {str(e.answer)[:60]!r}" for e in bad[:3]),
            fix="choose the grader that fits them (exact takes any text), or mend the rows",
        )


def check_meta_fields(fields: Sequence[str], examples: Sequence[Example]) -> None:
    """Raises DataError for a field that no example has."""
    known = {name for example in examples for name in example.meta}
    for field in fields:
        if field not in known:
            raise DataError(
                "task.by names a field that no row has",
                got=field,
                allowed=", ".join(sorted(known)) or "none",
            )


def prompt_with_instruction(instruction: str | None, question: str) -> str:
    return f"{instruction}\n\n{question}" if instruction else question


def verify_answer(grader: Grader, question: str, text: str) -> Grade:
    """Without a gold answer, a row must have a question and an answer that can be read."""
    if not question.strip():
        return Grade("unparsed", reason="empty question")
    return grader.parse(question, text)


def solution_target(grader: Grader, example: Example) -> str | None:
    """The text a student should answer: the worked solution, ending in "Answer: …".

    A solution that names its answer in another form that the grader reads stays as it is. None
    for an example without solution and answer.
    """
    solution, answer = example.solution, example.answer
    if solution is None:
        return None if answer is None else f"Answer: {answer}"
    hashes = HASHES_ANSWER.search(solution)
    if hashes:
        return f"{solution[: hashes.start()]}\nAnswer: {hashes[1]}"
    if answer is None or grader.grade(example, solution).outcome != "unparsed":
        return solution
    return f"{solution}\nAnswer: {answer}"


def free_text_target(example: Example) -> str | None:
    """For answers in free text: the solution, or the answer, as it is."""
    return example.solution or example.answer
