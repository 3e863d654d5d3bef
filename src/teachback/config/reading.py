"""Makes a config: from a YAML file, from plain data, from a run's directory, for an arm."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from ..errors import ConfigError
from ..run.identity import check_format
from .config import Config
from .messages import explain_errors
from .paths import resolve_paths
from .tree import apply_change, expand_dataset_name, merge_value


def read_config(
    path: Path, changes: Sequence[str] = (), run_dir: Path | None = None
) -> Config:
    """The config of a YAML file, with --set changes applied. Raises ConfigError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"the config {path} can't be read: {error}",
            fix="give the path of a YAML file, such as recipes/demo.yaml",
        ) from error
    try:
        tree = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is no YAML: {error}") from error
    if not isinstance(tree, dict):
        raise ConfigError(
            f"{path} holds no config",
            got=type(tree).__name__,
            allowed="keys and values, such as task: and student:",
        )
    for change in changes:
        tree = apply_change(tree, change)
    if run_dir is not None:
        tree = {**tree, "run_dir": str(run_dir.absolute())}
    elif "run_dir" not in tree:
        tree["run_dir"] = str(Path("runs", path.stem).absolute())
    return make_config(tree, base=path.parent)


def make_config(tree: Mapping[str, Any], base: Path = Path()) -> Config:
    """A checked config from plain data. Relative paths are taken from `base`.

    Raises ConfigError.
    """
    try:
        return Config.model_validate(
            resolve_paths(expand_dataset_name(dict(tree)), base)
        )
    except ValidationError as error:
        raise ConfigError(
            f"the config is not valid\n{explain_errors(error)}"
        ) from error


def read_run_config(folder: Path) -> Config:
    """The config of a run, from its directory.

    Raises ConfigError where there is no run, and InputsChanged for one in another format.
    """
    check_format(folder)
    try:
        tree = json.loads((folder / "config.json").read_bytes())
        free_settings = json.loads((folder / "settings.json").read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"no run in {folder}: {error}",
            fix="give the directory of a run, such as runs/demo",
        ) from error
    for section, values in free_settings.items():
        is_section = isinstance(values, dict)
        tree[section] = {**tree.get(section, {}), **values} if is_section else values
    tree["student"].pop("served", None)
    return make_config({**tree, "run_dir": str(folder.absolute())})


def make_arm_config(config: Config, arm: str) -> Config:
    """The config of an arm of a comparison.

    It has the changes that `arms` lists for it. An arm that isn't listed is the config itself
    if its criterion has that name; otherwise it is the criterion of that name, with its
    defaults. Raises ConfigError.
    """
    own_criterion = config.criterion.name == arm
    default: Mapping[str, Any] = {} if own_criterion else {"criterion": arm}
    tree: dict[str, Any] = config.model_dump(mode="json", exclude={"arms"})
    for name, value in config.arms.get(arm, default).items():
        tree = merge_value(tree, name.split("."), value)
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(
            f"no such arm: {arm}\n{explain_errors(error)}",
            fix="--arms random,loss; settings of its own go into the config: "
            "arms: {mine: {criterion: …}}",
        ) from error
