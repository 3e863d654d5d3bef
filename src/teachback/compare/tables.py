"""A comparison as tables: in the terminal, and as CSV files."""

import csv
import io
from pathlib import Path
from statistics import fmean

from rich.console import Console
from rich.table import Table

from ..report.formatting import format_usd
from ..run.files import commit_file
from .findings import SPENDING_AXES, samples_sentence, finding_sentence
from .summary import Comparison


def write_comparison_csv(folder: Path, comparison: Comparison) -> None:
    """curves.csv: a line for each arm, repeat and point; findings.csv: one for each finding."""
    points = [
        {
            "arm": c.arm,
            "repeat": c.repeat,
            "rounds": p,
            "accuracy": c.accuracy[p],
            "generated": c.generated[p],
            "accepted": c.accepted[p],
            "tokens": c.tokens[p],
            "usd": None if c.usd is None else c.usd[p],
        }
        for c in comparison.curves
        for p in range(len(c.accuracy))
    ]
    found = [
        {
            **{
                name: getattr(one, name)
                for name in (
                    "arm",
                    "reference",
                    "axis",
                    "upto",
                    "repeats",
                    "primary",
                    "p",
                )
            },
            **{
                name: getattr(one.difference, name, None)
                for name in ("estimate", "low", "high")
            },
            "said": finding_sentence(one),
        }
        for one in comparison.findings
    ]
    for name, lines in (("curves.csv", points), ("findings.csv", found)):
        text = io.StringIO(newline="")
        if lines:
            table = csv.DictWriter(text, list(lines[0]), lineterminator="\n")
            table.writeheader()
            table.writerows(lines)
        commit_file(folder / name, text.getvalue().encode())


def print_comparison(comparison: Comparison, console: Console) -> None:
    table = Table(
        "arm",
        *(
            f"round {r - 1}" if r else "untuned"
            for r in range(max(len(c.accuracy) for c in comparison.curves))
        ),
    )
    for arm in comparison.arms:
        curves = [c.accuracy for c in comparison.curves if c.arm == arm]
        table.add_row(
            arm, *(f"{fmean(points):.1%}" for points in zip(*curves, strict=False))
        )
    for arm in dict.fromkeys(d.arm for d in comparison.differences):
        cells = [
            f"{100 * d.mean:+.1f}"
            + (
                ""
                if d.low is None or d.high is None
                else f" [{100 * d.low:+.1f}, {100 * d.high:+.1f}]"
            )
            for d in comparison.differences
            if d.arm == arm
        ]
        table.add_row(f"{arm} − {comparison.reference}", *cells)
    console.print(table)
    console.print(
        f"{comparison.split} accuracy, mean of {comparison.repeats} repeats; "
        "differences in points, with 95 % paired t intervals over repeats"
    )
    for axis, name in SPENDING_AXES.items():
        some = [one for one in comparison.findings if one.axis == axis]
        if some:
            console.print(
                f"area under the curve against {name}, up to {some[0].upto:,.6g}:"
            )
        for one in some:
            for line in filter(None, (finding_sentence(one), samples_sentence(one))):
                console.print(f"  {line}")
    lines = [
        wins_line(comparison),
        carry_over_line(comparison),
        teacher_spend_line(comparison),
        *comparison.notes,
    ]
    for said in filter(None, lines):
        console.print(said)


def wins_line(comparison: Comparison) -> str | None:
    """Who is above whom, by a paired t test at 5 % after each round; the whole matrix is in the JSON."""
    if len(comparison.arms) < 3 or not comparison.wins:
        return None
    over = [
        f"{arm} {sum(row):.1f}"
        for arm, row in zip(comparison.arms, comparison.wins, strict=True)
    ]
    return f"arms that each one is above, mean over rounds (paired t test at 5 %): {', '.join(over)}"


def carry_over_line(comparison: Comparison) -> str | None:
    rho = comparison.carry_over
    return (
        None
        if rho is None
        else (
            f"carry-over: the median losses of selected seeds and of their rows have a rank correlation of "
            f"{rho.estimate:+.2f} [{rho.low:+.2f}, {rho.high:+.2f}] over all sets (arm, repeat, round)"
        )
    )


def teacher_spend_line(comparison: Comparison) -> str:
    each = [
        f"{name} {spent.tokens:,} tokens"
        + ("" if spent.usd is None or not spent.usd else f", ${format_usd(spent.usd)}")
        for name, spent in (
            ("charged to the arms", comparison.charged),
            ("really sent", comparison.sent),
        )
    ]
    return f"teacher: {'; '.join(each)}"
