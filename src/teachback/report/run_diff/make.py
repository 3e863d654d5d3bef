"""Puts two runs side by side."""

from collections.abc import Sequence

from ..formatting import format_accuracy
from .answers import compare_reports
from .plain_values import compare_keys, show_value
from .run_files import RunFiles
from .values import KeyChange, PointPair, ReportChanges, RunDiff, name_step
from .walk import Walk, has_same_recipe, walk_steps

OTHER_SEEDS = "nothing to compare step by step: the seeds differ"
NOT_WALKED = Walk(0, (), None, (), (), ())


def make_run_diff(left: RunFiles, right: RunFiles) -> RunDiff:
    """Raises DataError for a file that isn't as its run wrote it."""
    identity = compare_keys(left.config, right.config)
    settings = compare_keys(left.settings, right.settings)
    inputs = compare_keys(left.inputs, right.inputs)
    walk = NOT_WALKED
    if left.inputs.get("seeds") == right.inputs.get("seeds"):
        same_recipe = has_same_recipe(identity, inputs)
        walk = walk_steps(left, right, same_recipe=same_recipe)
    others = [
        *map(name_step, walk.on_request),
        *list_other_differences(left, right, settings),
    ]
    return RunDiff(
        str(left.folder),
        str(right.folder),
        same=walk.is_equal and not others,
        headline=make_headline(left, right, walk, others),
        identity=identity,
        settings=settings,
        inputs=inputs,
        n_equal_steps=walk.n_equal,
        rounding=walk.rounding,
        parting=walk.parting,
        on_request=walk.on_request,
        steps_only_left=tuple(map(str, walk.only_left)),
        steps_only_right=tuple(map(str, walk.only_right)),
        points=pair_points(left, right),
        last_reports=compare_last_reports(left, right),
        spend={
            "left": left.purchases.spend if left.purchases else None,
            "right": right.purchases.spend if right.purchases else None,
        },
    )


def list_other_differences(
    left: RunFiles, right: RunFiles, settings: Sequence[KeyChange]
) -> list[str]:
    """Beside the steps: which files differ, and that the ledgers do."""
    others = []
    for name in ("config.json", "inputs.json"):
        contents = [(run.folder / name).read_bytes() for run in (left, right)]
        if contents[0] != contents[1]:
            others.append(name)
    if settings:
        others.append("settings.json")
    if left.purchases != right.purchases:
        others.append("the ledger")
    return others


def make_headline(
    left: RunFiles, right: RunFiles, walk: Walk, others: Sequence[str]
) -> str:
    """Whether they are the same, in one sentence."""
    if walk is NOT_WALKED:
        return describe_seeds(left, right)
    if walk.parting:
        parting = walk.parting
        return f"the runs part at {name_step(parting)}: {parting.what}"
    parts = []
    if walk.only_left or walk.only_right:
        parts.append(describe_progress(left, walk))
    if walk.rounding:
        gaps = [step.max_gap for step in walk.rounding if step.max_gap is not None]
        most = f" by at most {max(gaps):.2g}" if gaps else " in weights or arrays"
        parts.append(
            f"all texts, picks and rows are equal, and numbers differ{most}: that is rounding"
        )
    if parts:
        return "; ".join(parts)
    if others:
        return f"nothing differs but {', '.join(others)}"
    return "the same run: every file but times is equal"


def describe_seeds(left: RunFiles, right: RunFiles) -> str:
    names = [show_value(run.config.get("task.name")) for run in (left, right)]
    if names[0] == names[1]:
        return OTHER_SEEDS
    return f"{OTHER_SEEDS} (the tasks are {names[0]} and {names[1]})"


def describe_progress(left: RunFiles, walk: Walk) -> str:
    """How far the runs are equal, and which has come further."""
    common = [place for place in left.places if place not in walk.only_left]
    end = f"up to {common[-1]}" if common else "with no step in both"
    counts = {"left": len(walk.only_left), "right": len(walk.only_right)}
    more = [
        f"the {side} one has {n} more step{'s' if n > 1 else ''}"
        for side, n in counts.items()
        if n
    ]
    alike = "alike" if walk.rounding else "equal"
    return f"the runs are {alike} {end}; {', and '.join(more)}"


def pair_points(left: RunFiles, right: RunFiles) -> tuple[PointPair, ...]:
    longest = max(left.reports, right.reports, key=len)
    cells = [
        {point: format_accuracy(report) for point, report in run.reports.items()}
        for run in (left, right)
    ]
    return tuple(
        PointPair(point, cells[0].get(point), cells[1].get(point)) for point in longest
    )


def compare_last_reports(left: RunFiles, right: RunFiles) -> ReportChanges | None:
    """None: a run has no report yet, or their dev questions differ."""
    have_same_dev = left.inputs.get("dev") == right.inputs.get("dev")
    if not left.reports or not right.reports or not have_same_dev:
        return None
    last = [list(run.reports.values())[-1] for run in (left, right)]
    return compare_reports(*last)
