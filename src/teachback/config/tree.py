"""A config as plain data, before it is checked: a value is found, set, or merged by its dotted
name.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from ..errors import ConfigError
from .sections_by_name import NAMED_SECTIONS

# As --set takes them, such as "finetune.epochs=2"; or values by dotted name.
ConfigEdits = Sequence[str] | Mapping[str, Any]


def apply_changes(tree: dict[str, Any], changes: ConfigEdits) -> dict[str, Any]:
    """A copy of the tree with every change in it."""
    if isinstance(changes, Mapping):
        for name, value in changes.items():
            tree = set_value(tree, name.split("."), value)
        return dict(tree)
    # One change may stand without a list.
    for change in [changes] if isinstance(changes, str) else changes:
        tree = apply_change(tree, change)
    return dict(tree)


def apply_change(tree: dict[str, Any], change: str) -> dict[str, Any]:
    """The tree after one --set a.b=c. The value is read as YAML."""
    name, sign, text = change.partition("=")
    if not sign or not name.strip():
        raise ConfigError(
            "--set takes a name and a value",
            got=change,
            allowed="NAME=VALUE, as in finetune.epochs=2",
        )
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(
            f"the value of --set {name} is no YAML: {error}", got=text
        ) from error
    return set_value(tree, name.strip().split("."), value)


def find_value(tree: object, name: str) -> object:
    """The value at a dotted name; None where there is none."""
    for key in name.split("."):
        tree = tree.get(key) if isinstance(tree, Mapping) else None
    return tree


def set_value(
    tree: Mapping[str, Any], path: Sequence[str], value: object
) -> dict[str, Any]:
    """A copy of the tree with the value at the path. Missing sections are made."""
    first, *rest = path
    if not rest:
        return {**tree, first: value}
    below = tree.get(first)
    section = below if isinstance(below, dict) else {}
    return {**tree, first: set_value(section, rest, value)}


def merge_value(
    tree: Mapping[str, Any], path: Sequence[str], value: object
) -> dict[str, Any]:
    """As `set_value`, but a section keeps the keys that the new value doesn't name.

    A section that has a `name`, such as the criterion, is replaced as a whole.
    """
    old = find_value(tree, ".".join(path))
    are_sections = isinstance(value, Mapping) and isinstance(old, Mapping)
    if are_sections and path[-1] not in NAMED_SECTIONS:
        value = {**old, **value}  # type: ignore[dict-item]
    return set_value(tree, path, value)


def expand_dataset_name(tree: dict[str, Any]) -> dict[str, Any]:
    """`name: reasoning_gym/NAME` is short for a name and a data set."""
    name, slash, dataset = str(find_value(tree, "task.name")).partition("/")
    stated = find_value(tree, "task.dataset")
    if name != "reasoning_gym" or not slash or stated not in (None, dataset):
        return tree
    tree = set_value(tree, ["task", "name"], name)
    return set_value(tree, ["task", "dataset"], dataset)
