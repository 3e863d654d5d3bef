"""Opens a dataset of reasoning-gym: checks its name, options and levels."""

import os
from collections.abc import Mapping
from dataclasses import fields, replace
from difflib import get_close_matches
from typing import Any

from ..errors import ConfigError, require_modules
from .gym_items import GymSource, isolated_generators

GYM_MODULES = ("reasoning_gym",)
# Datasets that can't be used, and why.
REFUSED_DATASETS = {
    "codeio": "its gold answers change from run to run: it runs programs that draw random numbers",
    "composite": "it mixes other datasets: name one of them",
    **dict.fromkeys(
        ("intermediate_integration", "polynomial_multiplication", "simple_integration"),
        "its scorer gives the student's text to sympy.parse_expr, which evaluates it",
    ),
}
# Their items depend on Python's hash seed.
HASH_SEED_DATASETS = frozenset(
    {"isomorphic_strings", "knight_swap", "ransom_note", "word_ladder"}
)
DATASET_SIZE = 10  # only the first item of a dataset is drawn
SET_HERE = ("seed", "size")  # options that the user can't set


def open_source(
    name: str,
    options: Mapping[str, object],
    levels: tuple[int, int] | None,
) -> GymSource:
    """levels: easiest and hardest of the dataset's curriculum; None: its first three.

    Options go before levels. Raises ConfigError for a dataset, an option or a level that doesn't
    exist, or that the library refuses.
    """
    require_modules("the task reasoning_gym", GYM_MODULES)
    from reasoning_gym.factory import CURRICULA, DATASETS

    _check_name(name, DATASETS)
    dataset_class, config_class = DATASETS[name]
    _check_options(name, options, config_class)

    curriculum = CURRICULA.get(name)
    if curriculum is None:
        if levels is not None:
            raise ConfigError(
                f"reasoning_gym/{name} has no levels",
                got=f"levels {list(levels)}",
                fix="leave them out",
            )
        dataset = _make_dataset(name, dataset_class, config_class(), options, None)
        return GymSource(name, {None: dataset})

    datasets: dict[int | None, Any] = {}
    for level in _level_range(name, curriculum, levels):
        config = _config_at_level(curriculum, level)
        datasets[level] = _make_dataset(name, dataset_class, config, options, level)
    return GymSource(name, datasets)


def _check_name(name: str, names: Mapping[str, object]) -> None:
    if name not in names:
        similar = get_close_matches(name, names, n=5, cutoff=0.4) or sorted(names)
        raise ConfigError(
            "reasoning-gym has no such dataset",
            got=name,
            allowed=f"such as {', '.join(similar)}",
        )
    if name in REFUSED_DATASETS:
        raise ConfigError(
            f"reasoning_gym/{name} can't be used",
            got=REFUSED_DATASETS[name],
            fix="another dataset",
        )
    hash_seed = os.environ.get("PYTHONHASHSEED", "random")
    if name in HASH_SEED_DATASETS and hash_seed == "random":
        raise ConfigError(
            f"reasoning_gym/{name}: its items depend on Python's hash seed, "
            "and would differ at the next start",
            fix="set PYTHONHASHSEED=0 in the environment of every start",
        )


def _check_options(name: str, options: Mapping[str, object], config_class: Any) -> None:
    known = _settable_options(config_class())
    unknown = sorted(set(options) - set(known))
    if unknown:
        allowed = [f"{option} ({default!r})" for option, default in known.items()]
        raise ConfigError(
            f"reasoning_gym/{name} has no such option",
            got=", ".join(unknown),
            allowed=", ".join(allowed),
        )


def _settable_options(config: Any) -> dict[str, object]:
    names = [field.name for field in fields(config)]
    return {name: getattr(config, name) for name in names if name not in SET_HERE}


def _level_range(name: str, curriculum: Any, levels: tuple[int, int] | None) -> range:
    attributes = curriculum().attributes.values()
    hardest = max(len(attribute.levels) for attribute in attributes) - 1
    low, high = levels or (0, min(2, hardest))
    if not 0 <= low <= high <= hardest:
        raise ConfigError(
            f"reasoning_gym/{name}: levels that aren't there",
            got=[low, high],
            allowed=f"easiest, hardest within [0, {hardest}]",
        )
    return range(low, high + 1)


def _config_at_level(curriculum: Any, level: int) -> Any:
    """The configuration of one level alone, not of all up to it: so a level is one step."""
    from reasoning_gym.coaching.base_curriculum import (
        DefaultCurriculumContext,
        RangeAttributeMode,
    )

    course = curriculum()
    course.set_global_level(level)
    context = DefaultCurriculumContext(RangeAttributeMode.UPPER_BOUND)
    return course.generate_configuration(context=context)


def _make_dataset(
    name: str,
    dataset_class: Any,
    config: Any,
    options: Mapping[str, object],
    level: int | None,
) -> Any:
    values = {**options, "seed": 0, "size": DATASET_SIZE}
    for option, value in options.items():
        # A config file has lists where the library wants tuples.
        if isinstance(value, list) and isinstance(getattr(config, option), tuple):
            values[option] = tuple(value)
    try:
        with isolated_generators(0):
            return dataset_class(replace(config, **values))
    except Exception as error:  # the library checks by assertions, and not all values
        at_level = "" if level is None else f" at level {level}"
        defaults = _settable_options(config).items()
        raise ConfigError(
            f"reasoning_gym/{name} can't be made{at_level}",
            got=f"{error!r}"[:200],
            allowed=", ".join(f"{option}: {default!r}" for option, default in defaults),
            fix="other task.levels or task.options",
        ) from error
