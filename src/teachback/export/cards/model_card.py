"""The card of a run's student: README.md of a model on the Hub."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ...report.diagnosis.evidence import measure_change
from ...report.diagnosis.words import format_points
from ...report.evaluation import field_shares, format_share
from ...report.formatting import format_accuracy
from ...types import Report
from .data_card import TAGS
from .facts import CardFacts
from .markdown import escape_markdown, format_table
from .sections import (
    contamination_section,
    cost_section,
    limits_section,
    origin_section,
    repeat_section,
    yield_section,
)
from .usage import usage_section

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

# By form: the library that loads it, as the Hub names it.
LIBRARY_OF_FORM: Mapping[str, str] = {"safetensors": "transformers", "adapter": "peft"}
FINETUNE_KEYS = ("method", "lr", "epochs", "rows_per_step", "restart")


def make_model_metadata(
    facts: CardFacts, form: str, dataset: str | None
) -> dict[str, Any]:
    """What the Hub reads; None where nobody gave it. dataset: of the rows, on the Hub."""
    about = facts.config.about
    return {
        "license": about.license,
        "language": about.language or None,
        "library_name": LIBRARY_OF_FORM.get(form),
        "pipeline_tag": "text-generation",
        "base_model": facts.base_model,
        "datasets": [dataset] if dataset else None,
        "tags": [*TAGS],
        "metrics": ["accuracy"],
        "model_name": facts.name,
        "eval_results": [*list_results(facts)],
    }


def list_results(facts: CardFacts) -> Iterator["EvalResult"]:
    """The model-index: accuracy on dev, and on test where it was measured."""
    from huggingface_hub import EvalResult

    task = facts.config.task.name
    for report in (facts.evidence.after, facts.test_reports[1]):
        if report is not None:
            yield EvalResult(
                task_type="text-generation",
                task_name="Text Generation",
                dataset_type=facts.hub_dataset or task,
                dataset_name=f"{task}, {report.n} {report.split} questions",
                dataset_split=report.split,
                metric_type="accuracy",
                metric_name=f"{report.split} accuracy",
                metric_value=round(report.accuracy, 4),
            )


def model_card_lines(facts: CardFacts, form: str, export_options: str) -> Iterator[str]:
    base = facts.base_model or "A local model"
    yield from [f"# {escape_markdown(facts.name)}", ""]
    yield (
        f"{escape_markdown(base)}, finetuned on {facts.run.count_rows()} rows of the task "
        f"{escape_markdown(facts.config.task.name)} with teachback, which asks for the rows that "
        "a student needs, round after round."
    )
    yield ""
    yield from evaluation_section(facts)
    yield from usage_section(facts, form)
    yield from origin_section(facts)
    yield from training_section(facts)
    yield from yield_section(facts)
    yield from contamination_section(facts)
    yield from cost_section(facts)
    yield from repeat_section(facts, export_options)
    yield from limits_section(facts)


# -- how good it is ------------------------------------------------------------------------


def evaluation_section(facts: CardFacts) -> Iterator[str]:
    """Right answers with their 95 % interval, before and after; then by meta field."""
    dev = facts.evidence.baseline, facts.evidence.after
    yield from ["## How good it is", ""]
    yield "Shares of right answers, greedy, each with its 95 % interval:"
    yield ""
    columns = ("questions", "n", "untuned", "this student", "change in points")
    rows = [compare_reports(*dev)]
    before, after = facts.test_reports
    if after is not None:
        rows.append(compare_reports(before, after))
    yield from format_table(columns, rows)
    best = after or dev[1]
    by_field = [
        (field, value, share.n, format_share(share))
        for field, value, share in field_shares(best)
    ]
    yield from format_table(
        ("field", "value", "n", f"right, of {best.split}"), by_field
    )


def compare_reports(before: Report | None, after: Report) -> tuple[object, ...]:
    if before is None:
        return after.split, after.n, "not measured", format_accuracy(after), ""
    change = measure_change(before, after)
    low, high = format_points(change.low), format_points(change.high)
    points = f"{format_points(change.change)} [{low}, {high}]"
    return after.split, after.n, format_accuracy(before), format_accuracy(after), points


# -- how it was made -----------------------------------------------------------------------


def training_section(facts: CardFacts) -> Iterator[str]:
    yield from ["## How it was trained", ""]
    recipe = facts.config.finetune
    rows = [(f"finetune.{key}", getattr(recipe, key)) for key in FINETUNE_KEYS]
    n_steps = facts.evidence.n_steps
    rows.append(("optimiser steps", "unknown" if n_steps is None else n_steps))
    yield from format_table(("setting", "value"), rows)
    yield from [
        "The licence of the untuned student holds for what is made of it, too.",
        "",
    ]
