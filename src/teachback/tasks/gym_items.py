"""Exercises drawn from one dataset of reasoning-gym, each a function of the generator it is drawn with.

The library seeds a generator of its own for each item, with a few lapses that are kept inside here: two datasets use
the global generators of random and numpy, some print or warn. Items of four depend on Python's hash seed (HASHED).
"""

import json
import math
import os
import random
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from copy import copy
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from io import StringIO
from random import Random
from typing import Any

import numpy as np

from ..errors import ConfigError
from ..types import Example, Scalar
from .gym_answers import MULTILINE, Entry, answer_form, is_right, read_answer, score

REFUSED = {
    "codeio": "its gold answers change from run to run: it runs programs that draw random numbers",
    "composite": "it mixes other datasets: name one of them",
    **dict.fromkeys(
        ("intermediate_integration", "polynomial_multiplication", "simple_integration"),
        "its scorer gives the student's text to sympy.parse_expr, which evaluates it",
    ),
}
HASHED = frozenset({"isomorphic_strings", "knight_swap", "ransom_note", "word_ladder"})
SEEDED_AT_START = frozenset(
    {"acre", "gsm_symbolic", "list_functions", "survo"}
)  # others look it up at each item
KINDS = frozenset(
    {"gsm_symbolic", "list_functions"}
)  # items come from numbered generators, `task_indices` says which
# Where the library leaves the answer open, the metadata may hold one. boxnet and rush_hour have none at all.
EXAMPLES: Mapping[str, Callable[[Entry], str]] = {
    "graph_color": lambda entry: json.dumps(entry["metadata"]["possible_answer"]),
    "propositional_logic": lambda entry: str(entry["metadata"]["example_answer"]),
    "rubiks_cube": lambda entry: str(entry["metadata"]["example_correct_answer"]),
}
OPEN = frozenset({"boxnet", "rush_hour"})
TRIES = 200
SIZE = 10  # of a dataset; only its first item is drawn


@dataclass(frozen=True)
class Item:
    """example: without an id. entry: the library's own record, which its scorer reads."""

    example: Example
    entry: Entry
    level: int | None


@dataclass(frozen=True)
class Source:
    """datasets: the library's dataset by level; under None where there are no levels."""

    name: str
    datasets: Mapping[int | None, Any]

    def draw(self, level: int | None, rng: Random, kind: int | None = None) -> Item:
        """An item of the level, and of the kind if one is given.

        Drawn again where the library fails or rejects its own answer. Raises ConfigError after 200 such draws.
        """
        why = "the library rejects its own answer"
        for _ in range(TRIES):
            seed = self._seed(rng, kind)
            try:
                with isolated(seed):
                    entry = self._at(level, seed)[0]
            except (
                Exception
            ) as error:  # a generator of the library's that found nothing
                why = repr(error)
                continue
            item = Item(
                _example(self.name, entry, self._made(level, seed)), entry, level
            )
            if self._is_sound(item):
                return item
        raise ConfigError(
            f"reasoning_gym/{self.name}: no exercise could be made"
            + ("" if level is None else f" at level {level}"),
            got=why[:200],
            fix="other task.levels or task.options",
        )

    def _seed(self, rng: Random, kind: int | None) -> int:
        seed = rng.randrange(2**31)
        while kind is not None and self._kind(seed) != kind:
            seed = rng.randrange(2**31)
        return seed

    def _kind(self, seed: int) -> int:
        return int(self._at(None, seed).task_indices[0])

    def _made(self, level: int | None, seed: int) -> dict[str, Scalar]:
        made: dict[str, Scalar] = {} if level is None else {"level": level}
        return {**made, "kind": self._kind(seed)} if self.name in KINDS else made

    def _at(self, level: int | None, seed: int) -> Any:
        dataset = self.datasets[level]
        if self.name in SEEDED_AT_START:
            return type(dataset)(replace(dataset.config, seed=seed))
        dataset = copy(dataset)
        dataset.seed = seed
        return dataset

    def score(self, item: Item, answer: str) -> float:
        with isolated(0):
            return score(
                self.name, self.datasets[item.level].score_answer, answer, item.entry
            )

    def _is_sound(self, item: Item) -> bool:
        """Its own answer can be read back and is right, here and by the library."""
        gold = item.example.answer
        if gold is None:
            return self.name in OPEN
        multiline = self.name in MULTILINE
        read = read_answer(answer_form(gold, multiline), multiline)
        scorer = self.datasets[item.level].score_answer
        with isolated(0):
            agreed = is_right(scorer(gold, item.entry))
            return (
                agreed
                and read is not None
                and is_right(score(self.name, scorer, read, item.entry))
            )


def _example(name: str, entry: Entry, made: Mapping[str, Scalar]) -> Example:
    answer = EXAMPLES[name](entry) if name in EXAMPLES else entry["answer"]
    solution = None
    if name == "gsm_symbolic":
        solution = entry["metadata"]["answer_cot"].rpartition("####")[0].rstrip()
        made = {
            **made,
            "steps": sum(1 for line in solution.split("\n") if line.strip()),
        }
    told = {
        k: v
        for k, v in entry["metadata"].items()
        if _is_number(v) and k != "source_index"
    }
    return Example(
        "",
        entry["question"],
        None if answer is None else str(answer),
        solution,
        {**told, **made},
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))


def open_source(
    name: str, options: Mapping[str, object], levels: tuple[int, int] | None
) -> Source:
    """levels: easiest and hardest of the dataset's curriculum; None: its first three. Options go before levels.

    Raises ConfigError for a dataset, an option or a level that isn't there, or that the library refuses.
    """
    try:
        from reasoning_gym.factory import CURRICULA, DATASETS
    except ImportError as error:
        raise ConfigError(
            "the task reasoning_gym needs reasoning-gym",
            fix="pip install 'teachback[gym]'",
        ) from error
    if name not in DATASETS:
        near = get_close_matches(name, DATASETS, n=5, cutoff=0.4) or sorted(DATASETS)
        raise ConfigError(
            "reasoning-gym has no such dataset",
            got=name,
            allowed=f"such as {', '.join(near)}",
        )
    if name in REFUSED:
        raise ConfigError(
            f"reasoning_gym/{name} can't be used",
            got=REFUSED[name],
            fix="another dataset",
        )
    if name in HASHED and os.environ.get("PYTHONHASHSEED", "random") == "random":
        raise ConfigError(
            f"reasoning_gym/{name}: its items depend on Python's hash seed, and would differ at the next start",
            fix="set PYTHONHASHSEED=0 in the environment of every start",
        )
    kind, config = DATASETS[name]
    _check_options(name, options, config)
    curriculum = CURRICULA.get(name)
    if curriculum is None:
        if levels is not None:
            raise ConfigError(
                f"reasoning_gym/{name} has no levels",
                got=f"levels {list(levels)}",
                fix="leave them out",
            )
        return Source(name, {None: _dataset(name, kind, config(), options, None)})
    asked = _levels(name, curriculum, levels)
    return Source(
        name,
        {n: _dataset(name, kind, _at_level(curriculum, n), options, n) for n in asked},
    )


def _check_options(name: str, options: Mapping[str, object], config: Any) -> None:
    known = {field.name: getattr(config(), field.name) for field in fields(config)}
    known = {
        option: default
        for option, default in known.items()
        if option not in ("seed", "size")
    }
    if unknown := sorted(set(options) - set(known)):
        allowed = ", ".join(
            f"{option} ({default!r})" for option, default in known.items()
        )
        raise ConfigError(
            f"reasoning_gym/{name} has no such option",
            got=", ".join(unknown),
            allowed=allowed,
        )


def _levels(name: str, curriculum: Any, levels: tuple[int, int] | None) -> range:
    hardest = (
        max(len(attribute.levels) for attribute in curriculum().attributes.values()) - 1
    )
    low, high = levels or (0, min(2, hardest))
    if not 0 <= low <= high <= hardest:
        raise ConfigError(
            f"reasoning_gym/{name}: levels that aren't there",
            got=[low, high],
            allowed=f"easiest, hardest within [0, {hardest}]",
        )
    return range(low, high + 1)


def _at_level(curriculum: Any, level: int) -> Any:
    """The configuration of one level alone, not of all up to it: a step is then a step."""
    from reasoning_gym.coaching.base_curriculum import (
        DefaultCurriculumContext,
        RangeAttributeMode,
    )

    course = curriculum()
    course.set_global_level(level)
    return course.generate_configuration(
        context=DefaultCurriculumContext(RangeAttributeMode.UPPER_BOUND)
    )


def _dataset(
    name: str, kind: Any, config: Any, options: Mapping[str, object], level: int | None
) -> Any:
    tuples = {
        k: tuple(v)
        for k, v in options.items()
        if isinstance(v, list) and isinstance(getattr(config, k), tuple)
    }
    given = {**options, **tuples, "seed": 0, "size": SIZE}
    try:
        with isolated(0):
            return kind(replace(config, **given))
    except (
        Exception
    ) as error:  # the library's checks are assertions, and not all values are checked
        defaults = {field.name: getattr(config, field.name) for field in fields(config)}
        raise ConfigError(
            f"reasoning_gym/{name} can't be made"
            + ("" if level is None else f" at level {level}"),
            got=f"{error!r}"[:200],
            allowed=", ".join(
                f"{k}: {v!r}" for k, v in defaults.items() if k not in ("seed", "size")
            ),
            fix="other task.levels or task.options",
        ) from error


@contextmanager
def isolated(seed: int) -> Iterator[None]:
    """The global generators are seeded inside and left as they were; what the library prints or warns of is dropped."""
    state, arrays = random.getstate(), np.random.get_state()
    random.seed(seed)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        random.setstate(state)
        np.random.set_state(arrays)
