"""What differs in a step, in the step's own terms, and in a few words."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from . import answers, rows
from .plain_values import PlainDifference, compare_plain, show_value
from .run_files import RunFiles, StepPlace
from .values import (
    AttemptChanges,
    FieldChanges,
    FileChanges,
    KeyChange,
    PickChanges,
    ReportChanges,
    RowChanges,
    StepChanges,
    StepDifference,
)

MAX_FIELDS = 5  # of a step without terms of its own

# By step: compare(left, right), of the values that the step returned. None: nothing can be paired.
COMPARISONS: Mapping[str, Callable[[Any, Any], StepChanges | None]] = {
    "given": rows.compare_rows,
    "baseline": answers.compare_reports,
    "test-baseline": answers.compare_reports,
    "attempt": answers.compare_attempts,
    "select": rows.compare_picks,
    "generate": rows.compare_drafts,
    "verify": rows.compare_drafts,
    "curate": rows.compare_curations,
    "evaluate": answers.compare_reports,
    "test": answers.compare_reports,
}
# By step: the questions that its report is about, by their key in inputs.json.
QUESTIONS = {
    "baseline": "dev",
    "evaluate": "dev",
    "test-baseline": "test",
    "test": "test",
}


def compare_step(
    left: RunFiles, right: RunFiles, place: StepPlace, *, same_recipe: bool
) -> StepDifference | None:
    """What differs in a step that both runs have finished. None: nothing.

    same_recipe: config and inputs are equal, so other weights or arrays after equal steps come
    from rounding: in the threads, the machine, the precision or the versions.
    """
    contents = [run.read_bytes(place) for run in (left, right)]
    files = compare_files(left, right, place)
    if contents[0] == contents[1]:
        if not files.names:
            return None
        what = describe_files(files)
        return StepDifference(place.round, place.step, what, same_recipe, None, files)

    split = QUESTIONS.get(place.step)
    if split and left.inputs.get(split) != right.inputs.get(split):
        # Their ids may be the same.
        what = f"the {split} questions differ"
        return StepDifference(place.round, place.step, what, False, None, None)
    plain = compare_plain(*map(json.loads, contents))
    changes = find_changes(left, right, place, plain)
    is_rounding = plain.is_rounding and (same_recipe or not files.names)
    what = describe_changes(changes)
    if is_rounding and plain.max_gap is not None:
        what = f"all texts are equal, and numbers differ by at most {plain.max_gap:.2g}"
    return StepDifference(
        place.round, place.step, what, is_rounding, plain.max_gap, changes
    )


def find_changes(
    left: RunFiles, right: RunFiles, place: StepPlace, plain: PlainDifference
) -> StepChanges:
    """In the step's own terms. If these see no difference, the fields that differ."""
    compare = COMPARISONS.get(place.step)
    changes = None
    if compare:
        changes = compare(left.read_value(place), right.read_value(place))
    if changes is not None and sees_difference(changes):
        return changes
    return compare_fields(plain)


def sees_difference(changes: StepChanges) -> bool:
    if isinstance(changes, AttemptChanges):
        return changes.n_differing > 0 or changes.max_nll_gap > 0
    if isinstance(changes, PickChanges):
        return changes.first_rank is not None
    if isinstance(changes, RowChanges):
        return count_row_changes(changes) > 0
    if isinstance(changes, ReportChanges):
        flips = changes.wrong_to_right or changes.right_to_wrong
        return bool(flips) or changes.n_other_texts > 0
    return True


def count_row_changes(changes: RowChanges) -> int:
    return (
        changes.n_only_left
        + changes.n_only_right
        + changes.n_other_answers
        + changes.n_other_reasons
    )


def compare_files(left: RunFiles, right: RunFiles, place: StepPlace) -> FileChanges:
    digests = [run.other_digests(place) for run in (left, right)]
    names = sorted({*digests[0], *digests[1]})
    differing = [name for name in names if digests[0].get(name) != digests[1].get(name)]
    return FileChanges(len(names), tuple(differing))


def compare_fields(plain: PlainDifference) -> FieldChanges:
    first = [KeyChange(*leaf) for leaf in plain.leaves[:MAX_FIELDS]]
    return FieldChanges(len(plain.leaves), tuple(first))


# -- in a few words ------------------------------------------------------------------------


def describe_changes(changes: StepChanges) -> str:
    if isinstance(changes, AttemptChanges):
        return (
            f"{changes.n_differing} of {changes.n} answers differ, "
            f"|Δnll| {changes.mean_nll_gap:.2g} in the mean"
        )
    if isinstance(changes, PickChanges):
        return describe_picks(changes)
    if isinstance(changes, RowChanges):
        return describe_rows(changes)
    if isinstance(changes, ReportChanges):
        return (
            f"{changes.n_other_texts} of {changes.n} answers differ: "
            f"{len(changes.wrong_to_right)} became right, {len(changes.right_to_wrong)} wrong"
        )
    if isinstance(changes, FileChanges):
        return describe_files(changes)
    return describe_fields(changes)


def describe_picks(changes: PickChanges) -> str:
    most = max(changes.n_left, changes.n_right)
    if changes.n_common == most:
        return f"the same seeds in another order, from rank {changes.first_rank} on"
    return f"the seeds differ: {changes.n_common} of {most} are the same"


def describe_rows(changes: RowChanges) -> str:
    counts = {
        "only on the left": changes.n_only_left,
        "only on the right": changes.n_only_right,
        "with another answer": changes.n_other_answers,
        "with another verdict": changes.n_other_reasons,
    }
    parts = [f"{n} {name}" for name, n in counts.items() if n]
    return f"of {changes.n_left} and {changes.n_right}: {', '.join(parts)}"


def describe_files(changes: FileChanges) -> str:
    n = len(changes.names)
    files = "file differs" if n == 1 else "files differ"
    return f"{n} {files} of {changes.n}, {changes.names[0]}" + (" …" if n > 1 else "")


def describe_fields(changes: FieldChanges) -> str:
    if not changes.first:
        return "the same values, written in another way"
    first = changes.first[0]
    more = f", and {changes.n - 1} more" if changes.n > 1 else ""
    values = f"{show_value(first.left)} and {show_value(first.right)}"
    return f"{first.key or 'its value'} is {values}{more}"
