"""Draws exercises from one dataset of reasoning-gym, each with a generator of its own.

The library seeds a generator for each item, but some datasets break out of it. Two use the
global generators of random and numpy, and some print or warn; `isolated_generators` contains
all that.
"""

import json
import math
import random
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from copy import copy
from dataclasses import dataclass, replace
from io import StringIO
from random import Random
from typing import Any

import numpy as np

from ..errors import ConfigError
from ..types import Example, Scalar
from .gym_answers import (
    MULTILINE_DATASETS,
    GymEntry,
    format_gym_answer,
    is_full_score,
    read_answer,
    score_answer,
)
from .syllogisms import has_sound_syllogism

# These read their seed when they are made; the others, at each item.
SEEDED_AT_START = frozenset({"acre", "gsm_symbolic", "list_functions", "survo"})
# Their items come from numbered generators; `task_indices` says which.
NUMBERED_GENERATORS = frozenset({"gsm_symbolic", "list_functions"})
# Where the library leaves the answer open, the metadata may hold one.
ANSWERS_IN_METADATA: Mapping[str, Callable[[GymEntry], str]] = {
    "graph_color": lambda entry: json.dumps(entry["metadata"]["possible_answer"]),
    "propositional_logic": lambda entry: str(entry["metadata"]["example_answer"]),
    "rubiks_cube": lambda entry: str(entry["metadata"]["example_correct_answer"]),
}
DATASETS_WITHOUT_ANSWERS = frozenset({"boxnet", "rush_hour"})
MAX_ITEM_DRAWS = 200


@dataclass(frozen=True)
class GymItem:
    example: Example  # without an id
    entry: GymEntry  # for the library's scorer
    level: int | None


@dataclass(frozen=True)
class GymSource:
    name: str  # of the dataset
    datasets: Mapping[
        int | None, Any
    ]  # the library's, by level; None: it has no levels

    def draw(self, level: int | None, rng: Random, kind: int | None = None) -> GymItem:
        """An item of the level and, if given, of the kind.

        Draws again if the library fails, or rejects its own answer. Raises ConfigError after
        MAX_ITEM_DRAWS draws.
        """
        failure = "the library rejects its own answer"
        for _ in range(MAX_ITEM_DRAWS):
            seed = self._draw_seed(rng, kind)
            try:
                with isolated_generators(seed):
                    entry = self._seeded_dataset(level, seed)[0]
            except Exception as error:  # some of the library's generators give up
                failure = repr(error)
                continue
            meta = self._draw_meta(level, seed)
            item = GymItem(_example_from_entry(self.name, entry, meta), entry, level)
            if self._is_sound(item):
                return item
        at_level = "" if level is None else f" at level {level}"
        raise ConfigError(
            f"reasoning_gym/{self.name}: no exercise could be made{at_level}",
            got=failure[:200],
            fix="other task.levels or task.options",
        )

    def score(self, item: GymItem, answer: str) -> float:
        """0 to 1; 1 is right. Raises whatever the scorer raises on a text it can't read."""
        scorer = self.datasets[item.level].score_answer
        with isolated_generators(0):
            return score_answer(self.name, scorer, answer, item.entry)

    def _draw_seed(self, rng: Random, kind: int | None) -> int:
        seed = rng.randrange(2**31)
        while kind is not None and self._kind(seed) != kind:
            seed = rng.randrange(2**31)
        return seed

    def _kind(self, seed: int) -> int:
        return int(self._seeded_dataset(None, seed).task_indices[0])

    def _draw_meta(self, level: int | None, seed: int) -> dict[str, Scalar]:
        meta: dict[str, Scalar] = {}
        if level is not None:
            meta["level"] = level
        if self.name in NUMBERED_GENERATORS:
            meta["kind"] = self._kind(seed)
        return meta

    def _seeded_dataset(self, level: int | None, seed: int) -> Any:
        dataset = self.datasets[level]
        if self.name in SEEDED_AT_START:
            return type(dataset)(replace(dataset.config, seed=seed))
        dataset = copy(dataset)
        dataset.seed = seed
        return dataset

    def _is_sound(self, item: GymItem) -> bool:
        """Whether the item's own answer can be read back and is right, here and by the library.

        The library's golds are taken as they are, but for syllogisms.
        """
        gold = item.example.answer
        if gold is None:
            return self.name in DATASETS_WITHOUT_ANSWERS
        if self.name == "syllogism" and not has_sound_syllogism(
            item.example.question, gold
        ):
            return False
        multiline = self.name in MULTILINE_DATASETS
        answer = read_answer(format_gym_answer(gold, multiline), multiline)
        scorer = self.datasets[item.level].score_answer
        with isolated_generators(0):
            library_agrees = is_full_score(scorer(gold, item.entry))
            if not library_agrees or answer is None:
                return False
            return is_full_score(score_answer(self.name, scorer, answer, item.entry))


def _example_from_entry(
    dataset: str,
    entry: GymEntry,
    draw_meta: Mapping[str, Scalar],
) -> Example:
    """The example's meta has the entry's numbers and `draw_meta`."""
    if dataset in ANSWERS_IN_METADATA:
        answer = ANSWERS_IN_METADATA[dataset](entry)
    else:
        answer = entry["answer"]
    meta: dict[str, Scalar] = {
        name: value
        for name, value in entry["metadata"].items()
        if _is_finite_number(value) and name != "source_index"
    }
    meta |= draw_meta
    solution = None
    if dataset == "gsm_symbolic":
        solution = entry["metadata"]["answer_cot"].rpartition("####")[0].rstrip()
        lines = [line for line in solution.split("\n") if line.strip()]
        meta["steps"] = len(lines)
    return Example(
        id="",
        question=entry["question"],
        answer=None if answer is None else str(answer),
        solution=solution,
        meta=meta,
    )


def _is_finite_number(value: object) -> bool:
    return isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))


@contextmanager
def isolated_generators(seed: int) -> Iterator[None]:
    """Seeds the global generators inside, and restores them after.

    What the library prints or warns of is dropped.
    """
    state = random.getstate()
    numpy_state = np.random.get_state()
    random.seed(seed)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        random.setstate(state)
        np.random.set_state(numpy_state)
