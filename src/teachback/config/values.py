"""A config as plain data, before it is checked: values put in, short forms spelled out, paths made absolute."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ..errors import ConfigError

KINDS = ("criterion", "rule")  # sections whose kinds have names of their own
PATHS = (
    "task.path", "task.seeds", "task.dev", "task.test", "rows", "run_dir", "student.model", "teacher.prompts",
    "teacher.rows", "task.function", "judge.prompt", "criterion.prompt", "criterion.function", "criterion.model",
)  # fmt: skip
SPLITS = (
    "task.seeds",
    "task.dev",
    "task.test",
)  # names of splits, or numbers of rows, where the task is not jsonl


def changed(tree: dict[str, Any], change: str) -> dict[str, Any]:
    """The tree after one --set a.b=c; the value is read as YAML."""
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
    return put(tree, name.strip().split("."), value)


def put(tree: Mapping[str, Any], path: Sequence[str], value: object) -> dict[str, Any]:
    first, *rest = path
    below = tree.get(first)
    return {
        **tree,
        first: put(below if isinstance(below, dict) else {}, rest, value)
        if rest
        else value,
    }


def merged(
    tree: Mapping[str, Any], path: Sequence[str], value: object
) -> dict[str, Any]:
    """As `put`, where a section keeps what the new one doesn't say; what has kinds is replaced whole."""
    old = dig(tree, ".".join(path))
    if (
        isinstance(value, Mapping)
        and isinstance(old, Mapping)
        and path[-1] not in KINDS
    ):
        value = {**old, **value}
    return put(tree, path, value)


def dig(tree: object, name: str) -> object:
    for key in name.split("."):
        tree = tree.get(key) if isinstance(tree, Mapping) else None
    return tree


def named(tree: dict[str, Any]) -> dict[str, Any]:
    """name: reasoning_gym/NAME as a name and a data set."""
    name, slash, dataset = str(dig(tree, "task.name")).partition("/")
    if (
        name == "reasoning_gym"
        and slash
        and dig(tree, "task.dataset") in (None, dataset)
    ):
        return put(put(tree, ["task", "name"], name), ["task", "dataset"], dataset)
    return tree


def located(tree: dict[str, Any], base: Path) -> dict[str, Any]:
    """Paths with $NAME filled in and made absolute.

    A student or prompts may also be a name: there only what begins with . / ~ or $ is a path. A function may be in an
    installed module.
    """
    if isinstance(short := tree.get("criterion"), str) and ":" in short:
        tree = {**tree, "criterion": {"name": "function", "function": short}}
    for name in PATHS:
        value = (
            tree[name] if name in tree else dig(tree, name)
        )  # an arm's changes have dotted names
        if name in SPLITS and dig(tree, "task.name") != "jsonl":
            continue
        if not isinstance(value, str | Path) or isinstance(value, bool):
            continue
        text = str(value)
        if name in (
            "student.model",
            "criterion.model",
            "teacher.prompts",
        ) and not text.startswith((".", "/", "~", "$")):
            continue
        if name in ("task.function", "criterion.function") and ".py:" not in text:
            continue
        start = Path.cwd() if name == "run_dir" else base.absolute()
        tree = put(
            tree,
            [name] if name in tree else name.split("."),
            str(start / filled(name, text)),
        )
    if isinstance(arms := tree.get("arms"), Mapping):
        placed = {
            arm: located(one, base) if isinstance(one, dict) else one
            for arm, one in arms.items()
        }
        tree = {**tree, "arms": placed}
    return tree


def filled(name: str, text: str) -> Path:
    out = Path(os.path.expandvars(text)).expanduser()
    if missing := re.search(r"\$\{?(\w+)", str(out)):
        raise ConfigError(
            f"{name} names an environment variable that is not set",
            got=text,
            fix=f"export {missing[1]}=FOLDER, or write the path",
        )
    return out
