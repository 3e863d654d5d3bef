"""The card of a run's rows: README.md of a data set on the Hub."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ...files.rows import read_rows
from ...files.source_rows import FileRow
from .facts import CardFacts, describe_teacher
from .markdown import escape_markdown, format_code, format_example, format_table
from .sections import (
    contamination_section,
    cost_section,
    limits_section,
    origin_section,
    repeat_section,
    yield_section,
)

TAGS = ("teachback", "synthetic")
# Rows from which on the Hub's next category begins.
SIZE_CATEGORIES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
)
LARGEST_CATEGORY = "1M<n<10M"
COLUMN_MEANINGS: Mapping[str, str] = {
    "messages": "the conversation: system message if there is one, question, answer",
    "prompt": "the conversation up to the answer",
    "completion": "the answer",
    "conversations": "the conversation: system message if there is one, question, answer",
    "instruction": "the question",
    "input": "empty: the question is a whole",
    "output": "the answer",
    "system": "the system message",
    "question": "the question, as the student is asked",
    "text": "the answer",
    "chat_template_kwargs": "what the student's chat template gets beside the messages",
    "meta": "where the row is from",
    "id": "the row",
    "seed": "the question that it was written from; null: it was there from the start",
    "round": "from 0 on",
    "criterion": "what chose the seed",
    "score": "of the seed, by the criterion",
    "teacher": "who wrote the row",
    "prompt_sha256": "of the prompts, or of the program, that the teacher was asked with",
    "verified": "whether the answer is proven, or others agree with it",
    "tokens": "of all calls for the row",
    "usd": "of all calls for the row",
}


def make_data_metadata(facts: CardFacts, file: Path) -> dict[str, Any]:
    """What the Hub reads; None where nobody gave it."""
    about = facts.config.about
    dataset = facts.hub_dataset
    return {
        "license": about.license,
        "language": about.language or None,
        "pretty_name": facts.name,
        "size_categories": [find_size_category(facts.run.count_rows())],
        "task_categories": ["text-generation"],
        "source_datasets": [dataset] if dataset else None,
        "tags": [*TAGS],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": "train", "path": file.name}],
            }
        ],
    }


def find_size_category(n_rows: int) -> str:
    for limit, category in SIZE_CATEGORIES:
        if n_rows < limit:
            return category
    return LARGEST_CATEGORY


def data_card_lines(facts: CardFacts, file: Path, export_options: str) -> Iterator[str]:
    """file: the rows, which lie beside the card."""
    rows = read_rows(file).rows
    name = escape_markdown(facts.name)
    yield from [f"# {name}", ""]
    yield (
        f"{len(rows)} questions with answers for finetuning a small language model on the task "
        f"{escape_markdown(facts.config.task.name)}. They come from "
        f"{escape_markdown(describe_teacher(facts.config))}. Made with teachback, which asks for "
        "the rows that a student needs, round after round."
    )
    yield ""
    yield from rows_section(facts, rows)
    yield from origin_section(facts)
    yield from yield_section(facts)
    yield from contamination_section(facts)
    yield from cost_section(facts)
    yield from repeat_section(facts, export_options)
    yield from limits_section(facts)


def rows_section(facts: CardFacts, rows: list[FileRow]) -> Iterator[str]:
    """Columns, the first row, and how all are loaded."""
    yield from ["## The rows", ""]
    yield from format_table(("column", "what it holds"), list_columns(rows[0]))
    yield from ["The first one:", ""]
    yield from format_example(dict(rows[0]))
    load = f'rows = load_dataset("{facts.place}", split="train")'
    yield from format_code(f"from datasets import load_dataset\n\n{load}", "python")


def list_columns(row: FileRow) -> list[tuple[str, str]]:
    """Those of `meta` too."""
    columns = []
    for name, value in row.items():
        columns.append((name, COLUMN_MEANINGS.get(name, "")))
        if name == "meta" and isinstance(value, Mapping):
            inner = value.keys()
            columns += [(f"meta.{key}", COLUMN_MEANINGS.get(key, "")) for key in inner]
    return columns
