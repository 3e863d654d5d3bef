"""What free text is checked for beyond equal keys: near-duplicates, leaks from dev and test, and what looks like one.

Every rule here that refuses is measured on real data by tests/curate/test_real.py.
"""

from collections.abc import Sequence

from ..types import Example, Likeness, Row, Task
from .near import Near
from .overlap import Overlap, Question
from .templates import Made, Templates

TEMPLATED = "; or, where all questions of the task are made from templates, set task.templated: true"
FEW = 4  # near duplicates, below which they are no matter of the whole round


class Checks:
    """Made once a run, from the task. It holds an index of the rows so far, which grows with them."""

    def __init__(self, task: Task) -> None:
        self._held = [*named("dev", task.dev), *named("test", task.test)]
        self._seeds = named("seed", task.seeds)
        texts = [seed.text for seed in self._seeds]
        self.overlap = Overlap(self._held, texts)
        self.templates = Templates(self._held, texts)
        self._near: Near | None = None
        self._in: set[str] = set()

    def near(self, rows: Sequence[Row]) -> Near:
        """The index with dev, test, the seeds and exactly these rows in: what is not in yet is added. It is made anew
        where it holds others, as when a step was tried before and did not end."""
        if self._near is None or not self._in <= {row.id for row in rows}:
            self._near, self._in = Near(), set()
            add(self._near, [*self._seeds, *self._held])
        add(
            self._near,
            [
                Question(f"row {row.id}", row.question)
                for row in rows
                if row.id not in self._in
            ],
        )
        self._in = {row.id for row in rows}
        return self._near

    def mark(self, row: Row) -> None:
        """The row is in the index from here on."""
        self._in.add(row.id)

    def seed_notes(self) -> tuple[str, ...]:
        """What is wrong with the seeds themselves."""
        n, notes = len(self._seeds), []
        if leaks := sum(
            self.overlap.leak(seed.text) is not None for seed in self._seeds
        ):
            notes.append(
                f"{leaks} of {n} seeds share 13 words with a question of dev or test"
            )
        made = self.templates.seeds_made
        if self.templates.too_many(made, n):
            notes.append(
                f"{made} of {n} seeds look made from questions of dev or test: accuracy there says little"
            )
        return tuple(notes)


class Sieve:
    """The checks of one round. questions: all of the round's that are usable and new by their key."""

    def __init__(
        self, checks: Checks, rows: Sequence[Row], questions: Sequence[str]
    ) -> None:
        self._checks, self._near = checks, checks.near(rows)
        made = {
            text: found for text in questions if (found := checks.templates.made(text))
        }
        self._made: dict[str, Made] = (
            made if checks.templates.too_many(len(made), len(set(questions))) else {}
        )
        self._sketch = dict(zip(questions, self._near.sketch(questions), strict=True))
        self._n = len(self._sketch)
        self._first = all("#" not in row.id for row in rows)
        self._near_rows = 0
        self.warnings: list[Likeness] = []

    def refuse(self, text: str) -> str | None:
        """Why the question can't be a row's, as "category: detail", or None."""
        alike = self._near.alike(self._sketch[text])
        for other in alike:
            if not other.name.startswith(("dev ", "test ")):
                self._near_rows += 1
                return f"near duplicate: {other.jaccard:.2f} like {other.name}, in runs of three words"
        if leak := self._checks.overlap.leak(text):
            return f"contaminated: {leak}"
        if alike:
            return f"contaminated: {alike[0].jaccard:.2f} like {alike[0].name}, in runs of three words"
        if made := self._made.get(text):
            return f"contaminated: has {made.share:.0%} of {made.question.name} with its numbers and names changed"
        return None

    def accept(self, row: Row) -> None:
        """What comes after the row is compared with it; if it shares words with dev or test, that is warned of."""
        self._near.add(f"row {row.id}", self._sketch[row.question])
        self._checks.mark(row)
        if look := self._checks.overlap.look(row.question):
            kind, (question, words) = look
            self.warnings.append(
                Likeness(
                    row.id, question.name, kind, words, row.question, question.text
                )
            )

    def notes(self, accepted: int) -> tuple[str, ...]:
        notes = list(self._checks.seed_notes()) if self._first else []
        if self._made:
            seeds = f"{self._checks.templates.seeds_made} of {self._checks.templates.n_seeds} seeds"
            notes.append(
                f"{len(self._made)} of {self._n} questions look made from questions of dev or test ({seeds} do): they "
                "are refused, and the others may be no better. Ask another teacher, or test on other data"
                + (TEMPLATED if self._checks.templates.seeds_usual else "")
            )
        if self._near_rows >= FEW and 2 * self._near_rows > self._n:
            notes.append(
                f"{self._near_rows} of {self._n} questions are near duplicates: ask the teacher for more variety"
                f"{TEMPLATED}"
            )
        if self.warnings:
            notes.append(
                f"{len(self.warnings)} of {accepted} rows share 8 words with a question of dev or test, be it with "
                "other numbers: both texts are among the warnings in curate.json"
            )
        return tuple(notes)


def named(split: str, examples: Sequence[Example]) -> list[Question]:
    return [Question(f"{split} {example.id}", example.question) for example in examples]


def add(near: Near, questions: Sequence[Question]) -> None:
    for question, sketch in zip(
        questions, near.sketch([q.text for q in questions]), strict=True
    ):
        near.add(question.name, sketch)
