"""Writes the section `task`: the file's rows, its columns, the grader and the instruction."""

from collections.abc import Iterator
from pathlib import Path

from .choices import Choices
from .columns import columns_by_role
from .instruction import write_instruction
from .yaml_text import quote_path, quote_value, to_comment, with_comment


def compose_task(choices: Choices, config_path: Path) -> list[str]:
    return [
        "task:",
        "  name: jsonl",
        *seeds_lines(choices, config_path),
        *dev_lines(choices, config_path),
        *test_lines(choices, config_path),
        *column_lines(choices),
        with_comment(
            f"  grader: {choices.grader}", to_comment(choices.grader_evidence)
        ),
        f"  instruction: {quote_value(write_instruction(choices))}",
        *breakdown_lines(choices),
    ]


def seeds_lines(choices: Choices, config_path: Path) -> Iterator[str]:
    yield f"  seeds: {quote_path(choices.survey.path, config_path)}"
    yield with_comment(
        f"  n_seeds: {choices.shares.sizes.seeds}",
        "questions that the student tries each round, to see what it lacks",
    )


def dev_lines(choices: Choices, config_path: Path) -> Iterator[str]:
    dev = choices.survey.dev
    origin = "set aside by a hash of the question; no seed or row is one of them"
    if dev is not None:
        origin = "of that file"
        file_line = f"  dev: {quote_path(dev.path, config_path)}"
        yield with_comment(file_line, "lies beside the file")
    yield with_comment(
        f"  n_dev: {choices.shares.sizes.dev}", f"asked after each round: {origin}"
    )


def test_lines(choices: Choices, config_path: Path) -> Iterator[str]:
    test = choices.survey.test
    if test is not None:
        file_line = f"  test: {quote_path(test.path, config_path)}"
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
    # A task takes a column that is called like its role, unless the config says null.
    null_roles = set(choices.survey.filled_columns)
    if columns.solution is not None:
        # Tells the reader where the answers come from, even where no column is called "answer".
        null_roles.add("answer")

    names = columns_by_role(columns)
    if choices.has_wrong_solutions:
        names["solution"] = None
    for role, name in names.items():
        if name is not None and name != role:
            yield with_comment(f"  {role}: {quote_value(name)}", "the column's name")
        elif name is None and role in null_roles:
            yield with_comment(f"  {role}: null", null_column_reason(role, choices))


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
