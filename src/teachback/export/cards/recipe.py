"""A run's config for others to read: without addresses, folders of one machine and defaults."""

from pathlib import Path
from typing import Any

from ...config.config import Config
from ...config.paths import list_path_keys
from ...config.run_identity import ENDPOINT_ROUTE, ENDPOINT_SECTIONS, STUDENT_ROUTE
from ...config.tree import find_value, set_value

# About this machine, or said elsewhere in the card.
LEFT_OUT = ("run_dir", "machine", "about", "arms", "primary", "track")


def make_public_config(config: Config) -> dict[str, Any]:
    """What is not the default. A path is the name of its file or folder."""
    tree: dict[str, Any] = config.model_dump(mode="json", exclude_defaults=True)
    for key in LEFT_OUT:
        tree.pop(key, None)
    for section in ENDPOINT_SECTIONS:
        drop_keys(tree, section, ENDPOINT_ROUTE)
    drop_keys(tree, "student", STUDENT_ROUTE)
    for key in list_path_keys():
        value = find_value(tree, key)
        if isinstance(value, str):
            tree = set_value(tree, key.split("."), shorten_path(value))
    options = find_value(tree, "task.options")
    if options:
        tree = set_value(tree, ["task", "options"], shorten_paths(options))
    return tree


def drop_keys(tree: dict[str, Any], section: str, keys: tuple[str, ...]) -> None:
    """A section that is left empty goes too."""
    values = tree.get(section)
    if not isinstance(values, dict):
        return
    kept = {key: value for key, value in values.items() if key not in keys}
    tree[section] = kept
    if not kept:
        del tree[section]


def shorten_path(text: str) -> str:
    """The path's last part: of /home/me/mine.py:function as well."""
    return Path(text).name if Path(text).is_absolute() else text


def shorten_paths(value: object) -> object:
    if isinstance(value, str):
        return shorten_path(value)
    if isinstance(value, dict):
        return {key: shorten_paths(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shorten_paths(inner) for inner in value]
    return value
