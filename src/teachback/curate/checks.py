"""Checks of free text beyond equal keys: near-duplicates, leaks from dev and test, shared words.

tests/curate/test_real.py measures every rule that refuses a row on real data.
"""

from collections.abc import Sequence

from ..types import Example, Row, Task, WordOverlap
from .near_copies import NearCopyDetector
from .near_duplicates import NearDuplicateIndex
from .overlap import HeldOutOverlap, LabelledQuestion
from .templates import TemplateDetector, TemplateMatch

# With fewer, a note about the round as a whole would say too much.
MIN_NEAR_DUPLICATES = 4
TEMPLATED_HINT = (
    "; or, where all questions of the task are made from templates, "
    "set task.templated: true"
)


class RowChecks:
    """The checks of a whole run, made from its task. Its index of rows grows with them."""

    def __init__(self, task: Task) -> None:
        self._held_out = [
            *label_questions("dev", task.dev),
            *label_questions("test", task.test),
        ]
        self._seeds = label_questions("seed", task.seeds)
        seed_texts = [seed.text for seed in self._seeds]
        self.overlap = HeldOutOverlap(self._held_out, seed_texts)
        self.templates = TemplateDetector(self._held_out, seed_texts)
        self.copies = NearCopyDetector(
            self._held_out,
            seed_texts,
            is_refused=lambda text: self.overlap.leak_reason(text) is not None,
        )
        self._index: NearDuplicateIndex | None = None
        self._indexed_rows: set[str] = set()

    def index_with(self, rows: Sequence[Row]) -> NearDuplicateIndex:
        """Return the index of seeds, dev, test and exactly these rows, adding what is missing.

        An index that holds other rows is made anew: an interrupted try of this step has left it.
        """
        row_ids = {row.id for row in rows}
        if self._index is None or not self._indexed_rows <= row_ids:
            self._index = NearDuplicateIndex()
            self._indexed_rows = set()
            add_questions(self._index, [*self._seeds, *self._held_out])
        missing = [row for row in rows if row.id not in self._indexed_rows]
        questions = [LabelledQuestion(f"row {row.id}", row.question) for row in missing]
        add_questions(self._index, questions)
        self._indexed_rows = row_ids
        return self._index

    def mark_indexed(self, row: Row) -> None:
        self._indexed_rows.add(row.id)

    def seed_notes(self) -> tuple[str, ...]:
        """Notes for the reader on what is wrong with the seeds themselves."""
        n = len(self._seeds)
        notes = []
        leaks = sum(
            self.overlap.leak_reason(seed.text) is not None for seed in self._seeds
        )
        if leaks:
            notes.append(
                f"{leaks} of {n} seeds share 13 words with a question of dev or test, or all of a "
                "shorter one"
            )
        matches = self.templates.seed_matches
        if self.templates.is_beyond_chance(matches, n):
            notes.append(
                f"{matches} of {n} seeds look made from questions of dev or test: "
                "accuracy there says little"
            )
        return tuple(notes)


class RoundFilter:
    """The checks of one round. `questions`: those of its usable drafts whose keys are new."""

    def __init__(
        self, checks: RowChecks, rows: Sequence[Row], questions: Sequence[str]
    ) -> None:
        self._checks = checks
        self._index = checks.index_with(rows)
        sketches = self._index.sketch(questions)
        self._sketch_by_text = dict(zip(questions, sketches, strict=True))
        self._n_questions = len(self._sketch_by_text)
        self._template_by_text = self._find_templates(questions)
        # The ids of generated rows have a "#" (see make_row); other rows are the user's own.
        self._is_first_round = all("#" not in row.id for row in rows)
        self._n_near_duplicates = 0
        self.warnings: list[WordOverlap] = []

    def _find_templates(self, questions: Sequence[str]) -> dict[str, TemplateMatch]:
        """Match questions with templates; empty if the round has no more matches than chance."""
        detector = self._checks.templates
        matches = {}
        for text in questions:
            match = detector.find_template(text)
            if match:
                matches[text] = match
        return (
            matches
            if detector.is_beyond_chance(len(matches), self._n_questions)
            else {}
        )

    def refusal_reason(self, text: str) -> str | None:
        """Why the question can't become a row, as "category: detail". None: it can."""
        duplicates = self._index.find_duplicates(self._sketch_by_text[text])
        details = [
            f"{duplicate.jaccard:.2f} like {duplicate.label}, in runs of three words"
            for duplicate in duplicates
        ]
        # A seed or a row is named first, even if a question of dev or test is more similar.
        for duplicate, detail in zip(duplicates, details, strict=True):
            if not duplicate.label.startswith(("dev ", "test ")):
                self._n_near_duplicates += 1
                return f"near duplicate: {detail}"

        leak = self._checks.overlap.leak_reason(text)
        if leak:
            return f"contaminated: {leak}"
        if details:
            return f"contaminated: {details[0]}"
        copy = self._checks.copies.find_copy(text)
        if copy:
            return (
                f"contaminated: a near-copy of {copy.question.label}, with other numbers or "
                f"words ({copy.similarity:.2f} of its words in the same order)"
            )
        match = self._template_by_text.get(text)
        if match:
            return (
                f"contaminated: has {match.share:.0%} of {match.question.label} "
                "with its numbers and names changed"
            )
        return None

    def accept(self, row: Row) -> None:
        """Compare later drafts with this row, and warn if it shares words with dev or test."""
        self._index.add(f"row {row.id}", self._sketch_by_text[row.question])
        self._checks.mark_indexed(row)

        similar = self._checks.overlap.find_similar(row.question)
        if similar:
            kind, shared = similar
            self.warnings.append(
                WordOverlap(
                    row=row.id,
                    other=shared.question.label,
                    kind=kind,
                    shared=shared.words,
                    text=row.question,
                    other_text=shared.question.text,
                )
            )

    def notes(self, n_accepted: int) -> tuple[str, ...]:
        """Notes for the reader on the round as a whole."""
        notes = list(self._checks.seed_notes()) if self._is_first_round else []
        if self._template_by_text:
            templates = self._checks.templates
            seeds = f"{templates.seed_matches} of {templates.n_seeds} seeds"
            hint = TEMPLATED_HINT if templates.seeds_match_often else ""
            notes.append(
                f"{len(self._template_by_text)} of {self._n_questions} questions look made from "
                f"questions of dev or test ({seeds} do): they are refused, and the others may be "
                f"no better. Ask another teacher, or test on other data{hint}"
            )
        most_are_duplicates = 2 * self._n_near_duplicates > self._n_questions
        if self._n_near_duplicates >= MIN_NEAR_DUPLICATES and most_are_duplicates:
            notes.append(
                f"{self._n_near_duplicates} of {self._n_questions} questions are near duplicates: "
                f"ask the teacher for more variety{TEMPLATED_HINT}"
            )
        if self.warnings:
            notes.append(
                f"{len(self.warnings)} of {n_accepted} rows share 8 words with a question of "
                "dev or test, be it with other numbers: both texts are among the warnings in "
                "curate.json"
            )
        return tuple(notes)


def label_questions(split: str, examples: Sequence[Example]) -> list[LabelledQuestion]:
    return [
        LabelledQuestion(f"{split} {example.id}", example.question)
        for example in examples
    ]


def add_questions(
    index: NearDuplicateIndex, questions: Sequence[LabelledQuestion]
) -> None:
    sketches = index.sketch([question.text for question in questions])
    for question, sketch in zip(questions, sketches, strict=True):
        index.add(question.label, sketch)
