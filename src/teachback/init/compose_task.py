"""Writes the section `task`: the file's rows, its columns, the grader and the instruction."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from .choices import Choices
from .instruction import write_instruction
from .yaml_text import quote_path, quote_value, to_comment, with_comment

CORRECT_COMMENTS = {
    "letter": "the answer's column has its letter",
    "index": "the answer's column has its place, from 0 on",
    "number": "the answer's column has its place, from 1 on",
    "text": "the answer's column has its text",
}


def compose_task(choices: Choices, config_path: Path) -> list[str]:
    return [
        "task:",
        *name_lines(choices),
        *seeds_lines(choices, config_path),
        *dev_lines(choices, config_path),
        *test_lines(choices, config_path),
        *column_lines(choices),
        *option_lines(choices),
        with_comment(
            f"  grader: {choices.grader}", to_comment(choices.grader_evidence)
        ),
        f"  instruction: {quote_value(write_instruction(choices))}",
        *breakdown_lines(choices),
        *shared_passage_lines(choices),
    ]


def name_lines(choices: Choices) -> Iterator[str]:
    hub = choices.survey.source.hub
    if hub is None:
        yield "  name: files"
        return
    yield "  name: hub"
    yield with_comment(f"  dataset: {quote_value(hub.dataset)}", "on the Hub")
    if hub.subset is not None:
        yield f"  config: {quote_value(hub.subset)}"


def quote_place(choices: Choices, place: Path, config_path: Path) -> str:
    """A path, or the name of a split on the Hub."""
    if choices.survey.source.hub is not None:
        return quote_value(str(place))
    return quote_path(place, config_path)


def seeds_lines(choices: Choices, config_path: Path) -> Iterator[str]:
    yield f"  seeds: {quote_place(choices, choices.survey.source.seeds, config_path)}"
    yield with_comment(
        f"  n_seeds: {choices.shares.sizes.seeds}",
        "questions that the student tries each round, to see what it lacks",
    )


def dev_lines(choices: Choices, config_path: Path) -> Iterator[str]:
    dev = choices.survey.dev
    origin = "set aside by a hash of the question; no seed or row is one of them"
    if dev is not None:
        origin = "of that file"
        file_line = f"  dev: {quote_place(choices, dev.path, config_path)}"
        yield with_comment(file_line, "lies beside the file")
    yield with_comment(
        f"  n_dev: {choices.shares.sizes.dev}", f"asked after each round: {origin}"
    )


def test_lines(choices: Choices, config_path: Path) -> Iterator[str]:
    test = choices.survey.test
    if test is not None:
        file_line = f"  test: {quote_place(choices, test.path, config_path)}"
        yield with_comment(file_line, "lies beside the file")
    n_test = choices.shares.sizes.test
    if n_test is None:
        yield with_comment(
            "  # n_test: 20", "nothing is set aside for a test: the file is small"
        )
    else:
        yield with_comment(
            f"  n_test: {n_test}", "only `teachback evaluate` asks these"
        )


def column_lines(choices: Choices) -> Iterator[str]:
    """Columns that go by another name than a task expects, or that a task must not take."""
    columns = choices.survey.columns
    question = columns.question_parts
    if question != ("question",):
        yield with_comment(
            f"  question: {quote_names(question)}", question_comment(question)
        )
    # A task takes a column that is called like its role, unless the config says null.
    null_roles = set(choices.survey.filled_columns)
    if columns.solution is not None:
        # Tells the reader where the answers come from, even where no column is called "answer".
        null_roles.add("answer")

    names = {"answer": columns.answer, "solution": columns.solution, "id": columns.id}
    if choices.has_wrong_solutions:
        names["solution"] = None
    for role, name in names.items():
        if name is not None and name != role:
            yield with_comment(f"  {role}: {quote_value(name)}", column_comment(name))
        elif name is None and role in null_roles:
            yield with_comment(f"  {role}: null", null_column_reason(role, choices))


def quote_names(names: Sequence[str]) -> str:
    """One as it is; several as a list."""
    if len(names) == 1:
        return quote_value(names[0])
    return f"[{', '.join(map(quote_value, names))}]"


def question_comment(names: Sequence[str]) -> str:
    if len(names) == 1:
        return column_comment(names[0])
    optional = [name for name in names if name.endswith("?")]
    ending = f'; "{optional[0]}" may be empty' if optional else ""
    return f"put together, with a blank line between them{ending}"


def column_comment(name: str) -> str:
    """What is taken of the column."""
    if name.endswith(".user"):
        return "the user's last turn, below the turns before it"
    if name.endswith(".assistant"):
        return "the assistant's turn that answers it"
    if name.endswith("[0]"):
        return "the first of the list"
    return "the column's name"


def option_lines(choices: Choices) -> Iterator[str]:
    columns = choices.survey.columns
    if not columns.options:
        return
    comment = "put below the question as (A), (B), …; the answer becomes a letter"
    if columns.answer in columns.options:
        comment += ". Their order is drawn, as the right one comes first"
    yield with_comment(f"  options: {quote_names(columns.options)}", comment)
    yield with_comment(
        f"  correct: {columns.correct}", CORRECT_COMMENTS[columns.correct]
    )


def shared_passage_lines(choices: Choices) -> Iterator[str]:
    if choices.survey.has_shared_passages:
        yield with_comment(
            "  templated: true",
            "rows share passages: words that two questions have in common don't count as a copy",
        )


def null_column_reason(role: str, choices: Choices) -> str:
    if role == "answer":
        return "taken out of the solution, which ends in it"
    if role == "solution" and choices.survey.columns.solution is not None:
        return "some end in another answer than their row has: mend these, then delete this line"
    if role == "id":
        return "not every row has one of its own"
    return "not used"


def breakdown_lines(choices: Choices) -> Iterator[str]:
    fields = ", ".join(map(quote_value, choices.shares.by))
    if fields:
        yield with_comment(f"  by: [{fields}]", "reports break accuracy down by these")
