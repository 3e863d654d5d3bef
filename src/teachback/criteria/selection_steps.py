"""Selection in a round: the student attempts the seeds, then evidence is gathered, and the
criterion picks.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from random import Random
from typing import Any

from ..errors import CriterionError
from ..types import (
    ArrayFile,
    Attempt,
    Attempts,
    Example,
    GatheredEvidence,
    Round,
    Selection,
    Student,
)
from .candidates import ReuseSeeds, count_selections, selectable_seeds
from .criterion import ATTEMPT_ARRAYS, ATTEMPT_SIGNALS, Criterion
from .evidence import Evidence
from .gatherers import Gatherer
from .rules import Rule
from .select import select_seeds


@dataclass(frozen=True)
class SelectionSteps:
    """The steps "attempt", "gather" and "select" of a round."""

    # The criterion's name, for messages.
    name: str
    criterion: Criterion
    rule: Rule
    # The pool, in its order.
    seeds: Sequence[Example]
    # draw(purpose, seed id, n) gives a generator.
    draw: Callable[[str, str, int], Random]
    per_round: int
    reuse: ReuseSeeds
    # How many seeds the criterion scores each round. None: the whole pool.
    candidate_count: int | None
    # attempt_pool(student, pool, names of arrays, sketch seed): the student's answers
    attempt_pool: Callable[[Student, Sequence[Example], Sequence[str], int], Attempts]
    # How each need beyond the attempts is gathered, by the need's name.
    gatherers: Mapping[str, Gatherer]
    load_array: Callable[[ArrayFile], Any]

    @cached_property
    def seed_by_id(self) -> dict[str, Example]:
        return {seed.id: seed for seed in self.seeds}

    def attempt(self, student: Student, pool: Sequence[Example]) -> Attempts:
        """The student's answer to every seed, with the arrays that the criterion needs."""
        needs = self.criterion.needs
        arrays = [array for need, array in ATTEMPT_ARRAYS.items() if need in needs]
        return self.attempt_pool(student, pool, arrays, sketch_seed(self.draw))

    def gather(
        self, student: Student, attempts: Attempts, past: Sequence[Round], m: int
    ) -> GatheredEvidence:
        """What the criterion needs beyond the attempts, for the candidates, sorted by id."""
        ids = self.candidate_ids(past, m)
        attempt_by_id = {attempt.id: attempt for attempt in attempts.rows}
        candidates = [(self.seed_by_id[id], attempt_by_id[id]) for id in ids]

        fields: dict[str, Any] = {}
        notes: list[str] = []
        for need, gather in self.gatherers.items():
            if need in self.criterion.needs:
                result = gather(student, candidates, len(past))
                fields.update(result.fields)
                notes.extend(result.notes)
        return GatheredEvidence(seeds=tuple(ids), notes=tuple(notes), **fields)

    def select(
        self,
        attempts: Attempts,
        gathered: GatheredEvidence,
        baseline: float | None,
        past: Sequence[Round],
        m: int,
    ) -> Selection:
        """The round's m seeds. baseline: the untuned student's accuracy on dev."""
        evidence = self.make_evidence(attempts, gathered, baseline, past)
        if len(evidence.candidates) < m and gathered.notes:
            raise CriterionError(
                f"the criterion {self.name} is left with {len(evidence.candidates)} seeds, "
                f"and the round needs {m}",
                got=gathered.notes[0],
                fix="use a model that keeps to the form of a reply, or state the form "
                "in your own words: criterion.prompt",
            )

        selection = select_seeds(
            evidence,
            m,
            name=self.name,
            criterion=self.criterion,
            draw=self.draw,
            rule=self.rule,
        )
        # The seeds are selected in the order of their ids.
        score_by_id = dict(selection.scores)
        in_pool_order = tuple(
            (seed.id, score_by_id[seed.id])
            for seed in self.seeds
            if seed.id in score_by_id
        )
        notes = (*gathered.notes, *selection.notes)
        return replace(selection, scores=in_pool_order, notes=notes)

    @property
    def attempt_scorer(self) -> Callable[[Sequence[Attempt]], Sequence[float]] | None:
        """The criterion's score of any attempts. None if it needs more than their signals.

        None also for `loss`, which carry-over reports anyway, and for a `function` of the user's,
        which may read more than the attempts.
        """
        needs_more = not self.criterion.needs <= ATTEMPT_SIGNALS
        if not self.criterion.gives_scores or needs_more:
            return None
        if self.name in ("loss", "function"):
            return None

        def score(attempts: Sequence[Attempt]) -> Sequence[float]:
            seeds = [Example(attempt.id, "") for attempt in attempts]
            return self.criterion.score(Evidence(seeds, attempts, range(len(attempts))))

        return score

    def candidate_ids(self, past: Sequence[Round], m: int) -> list[str]:
        """Sorted ids of the seeds that the criterion scores.

        The whole pool, or a random subset of those that may be selected.
        """
        if self.candidate_count is None:
            return sorted(self.seed_by_id)

        def random_number(id: str) -> float:
            return self.draw("candidate", id, len(past)).random()

        # By id first: a set's order differs between processes, and would decide between equals.
        selectable = sorted(self.selectable_ids(past))
        in_random_order = sorted(selectable, key=random_number)
        return sorted(in_random_order[: max(self.candidate_count, m)])

    def selectable_ids(self, past: Sequence[Round]) -> set[str]:
        """Ids of the seeds that the next round may select."""
        return selectable_seeds(self.seed_by_id, self.reuse, self.per_round, past)

    def next_pairs(self, past: Sequence[Round]) -> list[tuple[Example, int]]:
        """The selectable seeds, each with the number of its next pair."""
        times_selected = count_selections(past)
        return [(seed, times_selected[seed.id]) for seed in self.selectable_seeds(past)]

    def selectable_seeds(self, past: Sequence[Round]) -> list[Example]:
        """The seeds that the next round may select, in pool order."""
        ids = self.selectable_ids(past)
        return [seed for seed in self.seeds if seed.id in ids]

    def make_evidence(
        self,
        attempts: Attempts,
        gathered: GatheredEvidence,
        baseline: float | None,
        past: Sequence[Round],
    ) -> Evidence:
        """All that the criterion sees. A seed without a judge's verdict is no candidate."""
        position_by_id = {attempt.id: i for i, attempt in enumerate(attempts.rows)}
        positions = [position_by_id[id] for id in gathered.seeds]
        selectable = self.selectable_ids(past)
        # A criterion without a judge has neither: any number then stands for a verdict.
        verdicts = gathered.marks or gathered.gaps or [0.0] * len(positions)
        candidates = [
            i
            for i, (id, verdict) in enumerate(
                zip(gathered.seeds, verdicts, strict=True)
            )
            if id in selectable and verdict is not None
        ]
        return Evidence(
            seeds=[self.seed_by_id[id] for id in gathered.seeds],
            attempts=[attempts.rows[i] for i in positions],
            candidates=candidates,
            past=past,
            baseline=baseline,
            right=gathered.right,
            gold_nll=gathered.gold_nll,
            samples=gathered.samples,
            reward=gathered.reward,
            marks=gathered.marks,
            gaps=gathered.gaps,
            embedding_N_D=self.load_rows(attempts.embedding, positions),
            gradient_N_M=self.load_rows(attempts.gradient, positions),
            gold_gradient_N_M=self.load_rows(gathered.gold_gradient),
            dev_gradient_M=self.load_rows(gathered.dev_gradient),
        )

    def load_rows(
        self, file: ArrayFile | None, positions: Sequence[int] | None = None
    ) -> Any:
        """An array of the run, or its rows at these positions."""
        if file is None:
            return None
        array = self.load_array(file)
        return array if positions is None else array[list(positions)]


def sketch_seed(draw: Callable[[str, str, int], Random]) -> int:
    """The seed of gradient sketches: the same in every round and arm.

    Gradients are compared with one another, and with dev's.
    """
    return draw("sketch", "", 0).getrandbits(32)
