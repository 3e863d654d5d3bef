"""A comparison as tables: in the terminal, and as CSV files."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from ..report.formatting import format_usd
from ..run.files import commit_file
from .findings import SPENDING_AXES
from .sentences import describe_finding, describe_samples
from .summarise import select_curves

if TYPE_CHECKING:
    from .arm_results import Curve
    from .findings import Finding
    from .summarise import Comparison, Difference, TeacherSpend


def write_comparison_csv(folder: Path, comparison: Comparison) -> None:
    """Writes curves.csv, with a line for each point of a curve, and findings.csv."""
    rows = [
        make_curve_row(curve, p)
        for curve in comparison.curves
        for p in range(len(curve.accuracy))
    ]
    write_csv(folder / "curves.csv", rows)
    write_csv(folder / "findings.csv", list(map(make_finding_row, comparison.findings)))


def make_curve_row(curve: Curve, p: int) -> dict[str, object]:
    return {
        "arm": curve.arm,
        "repeat": curve.repeat,
        "rounds": p,
        "accuracy": curve.accuracy[p],
        "generated": curve.generated[p],
        "accepted": curve.accepted[p],
        "tokens": curve.tokens[p],
        "usd": None if curve.usd is None else curve.usd[p],
    }


def make_finding_row(finding: Finding) -> dict[str, object]:
    difference = finding.difference
    return {
        "arm": finding.arm,
        "reference": finding.reference,
        "axis": finding.axis,
        "upto": finding.upto,
        "repeats": finding.repeats,
        "primary": finding.primary,
        "p": finding.p,
        "estimate": difference.estimate if difference else None,
        "low": difference.low if difference else None,
        "high": difference.high if difference else None,
        "said": describe_finding(finding),
    }


def write_csv(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """The columns are the keys of the first row; without rows the file is empty."""
    text = io.StringIO(newline="")
    if rows:
        # The default end of a line is that of Windows
        table = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    commit_file(path, text.getvalue().encode())


def print_comparison(comparison: Comparison, console: Console) -> None:
    console.print(make_accuracy_table(comparison))
    console.print(
        f"{comparison.split} accuracy, mean of {comparison.repeats} repeats; "
        "differences in points, with 95 % paired t intervals over repeats"
    )
    for axis, name in SPENDING_AXES.items():
        findings = [f for f in comparison.findings if f.axis == axis]
        if findings:
            upto = f"{findings[0].upto:,.6g}"
            console.print(f"area under the curve against {name}, up to {upto}:")
        for line in describe_findings(findings):
            console.print(f"  {line}")

    closing_lines = [
        describe_wins(comparison),
        describe_carry_over(comparison),
        describe_teacher_spend(comparison),
        *comparison.notes,
    ]
    for text in closing_lines:
        if text:
            console.print(text)


def describe_findings(findings: Sequence[Finding]) -> list[str]:
    """One or two sentences for each finding."""
    lines = []
    for finding in findings:
        lines.append(describe_finding(finding))
        sentence = describe_samples(finding)
        if sentence:
            lines.append(sentence)
    return lines


def make_accuracy_table(comparison: Comparison) -> Table:
    """Each arm's accuracy by round, then its difference from the reference."""
    n_points = max(len(curve.accuracy) for curve in comparison.curves)
    rounds = [f"round {r}" for r in range(n_points - 1)]
    table = Table("arm", "untuned", *rounds)
    for arm in comparison.arms:
        accuracy_R_P = [
            curve.accuracy for curve in select_curves(comparison.curves, arm)
        ]
        # Not strict: a mean needs all repeats, so it ends where the shortest curve does
        mean_P = map(fmean, zip(*accuracy_R_P, strict=False))
        table.add_row(arm, *(f"{mean:.1%}" for mean in mean_P))
    # dict.fromkeys: each arm once, in the order of the differences
    for arm in dict.fromkeys(d.arm for d in comparison.differences):
        cells = [format_difference(d) for d in comparison.differences if d.arm == arm]
        table.add_row(f"{arm} − {comparison.reference}", *cells)
    return table


def format_difference(difference: Difference) -> str:
    mean = f"{100 * difference.mean:+.1f}"
    if difference.low is None or difference.high is None:
        return mean
    return f"{mean} [{100 * difference.low:+.1f}, {100 * difference.high:+.1f}]"


def describe_wins(comparison: Comparison) -> str | None:
    """How many arms each arm is above. `teachback compare --json` has the whole matrix."""
    if len(comparison.arms) < 3 or not comparison.wins:
        return None
    wins = [
        f"{arm} {sum(row):.1f}"
        for arm, row in zip(comparison.arms, comparison.wins, strict=True)
    ]
    return (
        "arms that each one is above, mean over rounds (paired t test at 5 %): "
        f"{', '.join(wins)}"
    )


def describe_carry_over(comparison: Comparison) -> str | None:
    rho = comparison.carry_over
    if rho is None:
        return None
    return (
        "carry-over: the median losses of selected seeds and of their rows have a "
        f"rank correlation of {rho.estimate:+.2f} [{rho.low:+.2f}, {rho.high:+.2f}] "
        "over all sets (arm, repeat, round)"
    )


def describe_teacher_spend(comparison: Comparison) -> str:
    charges = format_spend("charged to the arms", comparison.charged)
    purchases = format_spend("really sent", comparison.sent)
    return f"teacher: {charges}; {purchases}"


def format_spend(name: str, spend: TeacherSpend) -> str:
    usd = f", ${format_usd(spend.usd)}" if spend.usd else ""
    return f"{name} {spend.tokens:,} tokens{usd}"
