"""Two runs side by side in words: what `teachback diff` prints."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...ledger.costs import Spend
from ...run.files import to_plain
from ..diagnosis.words import format_points
from ..facts import spend_facts
from ..formatting import align_columns, display_path, format_usd
from .plain_values import show_line, show_value
from .values import (
    AttemptChanges,
    FieldChanges,
    FileChanges,
    KeyChange,
    PickChanges,
    ReportChanges,
    RowChanges,
    RunDiff,
    StepChanges,
    TextPair,
    name_step,
)

MAX_PATH = 4096
MAX_TEXT = 160  # characters of a text
MAX_PAIRS = 2  # of rows of a kind; --json has more
MAX_NAMES = 5  # of files
UNKNOWN = "–"
SPEND_ROWS: Mapping[str, Callable[[Spend], str]] = {
    "pairs": lambda spend: f"{spend.pairs:,}",
    "calls": lambda spend: f"{spend.calls:,}",
    "tokens in": lambda spend: f"{spend.input_tokens:,}",
    "tokens out": lambda spend: f"{spend.output_tokens:,}",
    "USD": lambda spend: format_spent_usd(spend),
}


def diff_facts(diff: RunDiff) -> dict[str, Any]:
    """What `--json` prints."""
    facts: Any = to_plain(diff)
    facts["spend"] = {
        side: None if spend is None else spend_facts(spend)
        for side, spend in diff.spend.items()
    }
    return facts  # type: ignore[no-any-return]


def diff_lines(diff: RunDiff) -> list[str]:
    folders = {"left": diff.left, "right": diff.right}
    rows = [
        (side, show_line(str(display_path(Path(name))), MAX_PATH))
        for side, name in folders.items()
    ]
    lines = [diff.headline, *align_columns(rows)]
    if diff.same:
        return lines
    return [
        *lines,
        *key_lines("config, which makes them two runs:", diff.identity),
        *key_lines("settings, which may change at any start:", diff.settings),
        *key_lines("inputs:", diff.inputs),
        *step_lines(diff),
        *point_lines(diff),
        *last_report_lines(diff.last_reports),
        *spend_table(diff.spend),
    ]


def key_lines(title: str, changes: Sequence[KeyChange]) -> list[str]:
    if not changes:
        return []
    rows = [
        (show_line(change.key), show_value(change.left), show_value(change.right))
        for change in changes
    ]
    return ["", title, *align_columns([("", "left", "right"), *rows])]


# -- steps ---------------------------------------------------------------------------------


def step_lines(diff: RunDiff) -> list[str]:
    lines = [""] if diff.n_equal_steps or diff.parting else []
    if diff.n_equal_steps:
        lines.append(f"equal steps: {diff.n_equal_steps}")
    lines += [f"rounding: {name_step(step)}: {step.what}" for step in diff.rounding]
    lines += [f"on request: {name_step(step)}: {step.what}" for step in diff.on_request]
    if diff.parting:
        lines.append(f"{name_step(diff.parting)}: {diff.parting.what}")
        if diff.parting.changes:
            lines += change_lines_of_step(diff.parting.changes)
    return lines


def change_lines_of_step(changes: StepChanges) -> list[str]:
    """The details that the few words leave out."""
    if isinstance(changes, AttemptChanges):
        return attempt_lines(changes)
    if isinstance(changes, PickChanges):
        return pick_lines(changes)
    if isinstance(changes, RowChanges):
        return row_lines(changes)
    if isinstance(changes, ReportChanges):
        return report_lines(changes)
    if isinstance(changes, FileChanges):
        return [f"  {show_line(name)}" for name in changes.names[:MAX_NAMES]]
    assert isinstance(changes, FieldChanges)
    return key_lines("", changes.first)[2:]


def attempt_lines(changes: AttemptChanges) -> list[str]:
    lines = [f"  |Δnll| {changes.max_nll_gap:.2g} at most"]
    return [*lines, *text_lines("seed", changes.first)]


def pick_lines(changes: PickChanges) -> list[str]:
    if changes.first_rank is None:
        return []
    left, right = show_value(changes.left), show_value(changes.right)
    return [f"  rank {changes.first_rank}: {left} on the left, {right} on the right"]


def row_lines(changes: RowChanges) -> list[str]:
    kinds = {
        "only on the left": changes.only_left,
        "only on the right": changes.only_right,
        "another answer": changes.other_answers,
        "another verdict": changes.other_reasons,
    }
    lines = []
    for name, pairs in kinds.items():
        for pair in pairs[:MAX_PAIRS]:
            lines += text_lines(name, pair)
    return lines


def report_lines(changes: ReportChanges) -> list[str]:
    lines = [f"  {describe_change(changes)}"]
    if changes.left_gold_nll is not None and changes.right_gold_nll is not None:
        lines.append(
            f"  gold nll {changes.left_gold_nll:.4f} and {changes.right_gold_nll:.4f}"
        )
    return [*lines, *text_lines("question", changes.first)]


def text_lines(name: str, pair: TextPair | None) -> list[str]:
    """Whose texts they are, then each in a line."""
    if pair is None:
        return []
    lines = [f"  {name}: {show_line(pair.what, MAX_TEXT)}"]
    for side, text in (("left", pair.left), ("right", pair.right)):
        if text is not None:
            lines.append(
                f"    {side:5}  {show_line(text.strip(), MAX_TEXT) or '(nothing)'}"
            )
    return lines


# -- accuracy and spend --------------------------------------------------------------------


def point_lines(diff: RunDiff) -> list[str]:
    if not diff.points:
        return []
    rows = [
        (point.point, point.left or UNKNOWN, point.right or UNKNOWN)
        for point in diff.points
    ]
    return ["", *align_columns([("dev accuracy", "left", "right"), *rows])]


def last_report_lines(changes: ReportChanges | None) -> list[str]:
    return [] if changes is None else [f"the last students: {describe_change(changes)}"]


def describe_change(changes: ReportChanges) -> str:
    change = changes.change
    points = [
        format_points(share) for share in (change.change, change.low, change.high)
    ]
    return (
        f"{changes.split} {changes.left:.0%} on the left, {changes.right:.0%} on the right: "
        f"{points[0]} points [{points[1]}, {points[2]}] on the same {changes.n} questions, "
        f"{len(changes.wrong_to_right)} wrong → right, {len(changes.right_to_wrong)} right → wrong"
    )


def spend_table(spend: Mapping[str, Spend | None]) -> list[str]:
    sides = [spend["left"], spend["right"]]
    if sides == [None, None]:
        return []
    rows = [
        (name, *(UNKNOWN if side is None else show(side) for side in sides))
        for name, show in SPEND_ROWS.items()
    ]
    return ["", *align_columns([("teacher", "left", "right"), *rows])]


def format_spent_usd(spend: Spend) -> str:
    usd = spend_facts(spend)["usd"]
    return "unknown" if usd is None else format_usd(usd)
