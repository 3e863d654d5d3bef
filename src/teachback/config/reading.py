"""Makes a config: from a YAML file, from plain data, from a run's directory, for an arm."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from ..errors import ConfigError
from ..run.digests import read_verified
from ..run.identity import check_format
from .config import Config
from .messages import explain_errors
from .paths import resolve_paths
from .tree import ConfigEdits, apply_changes, expand_dataset_name, merge_value
from .trust import refuse_unknown_actions

# A YAML file, plain data, or a config that was made before.
ConfigSource = Config | Mapping[str, Any] | str | Path


def read_config(
    path: Path,
    changes: ConfigEdits = (),
    run_dir: str | Path | None = None,
    *,
    is_comparison: bool = False,
) -> Config:
    """The config of a YAML file, with --set changes applied. Raises ConfigError."""
    tree = apply_changes(read_tree(path), changes)
    if run_dir is not None:
        tree["run_dir"] = str(Path(run_dir).absolute())
    elif "run_dir" not in tree:
        tree["run_dir"] = str(default_run_dir(path.stem, is_comparison).absolute())
    return make_config(tree, base=path.parent)


def default_run_dir(name: str, is_comparison: bool) -> Path:
    """A comparison has a folder beside the run's, so that one config is for both."""
    folder = Path("runs", name)
    # One that was begun before goes on where it is: what it bought is there.
    if is_comparison and not (folder / "comparison.json").exists():
        return folder.with_name(f"{name}-compare")
    return folder


def read_tree(path: Path) -> dict[str, Any]:
    """A YAML file as plain data, unchecked."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"the config {path} can't be read: {error}",
            fix="give the path of a YAML file, such as `teachback init` writes",
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
    return tree


def resolve_config(
    source: ConfigSource,
    changes: ConfigEdits = (),
    run_dir: str | Path | None = None,
    *,
    is_comparison: bool = False,
) -> Config:
    """The config of a YAML file, of plain data, or the config itself, with changes.

    Relative paths in data, and in changes of it, are taken from the current folder. Raises
    ConfigError.
    """
    if isinstance(source, str | Path):
        return read_config(Path(source), changes, run_dir, is_comparison=is_comparison)
    if isinstance(source, Config):
        if not changes and run_dir is None:
            return source
        source = source.model_dump(mode="json")
    tree = apply_changes(dict(source), changes)
    if run_dir is not None:
        tree["run_dir"] = str(Path(run_dir).absolute())
    return make_config(tree)


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


def read_run_config(folder: Path, *, trust: bool | None = None) -> Config:
    """The config of a run, from its directory.

    trust None: it is only looked at. False: it is used, so what it would start must be known
    (`trust.refuse_unknown_actions`). True: the user has said that it may start anything.
    Raises ConfigError where there is no run, InputsChanged for one in another format, and
    DataError for a config that isn't as it was written.
    """
    check_format(folder)
    path = folder / "config.json"
    try:
        tree = json.loads(path.read_bytes())
        free_settings = json.loads((folder / "settings.json").read_bytes())
        tree = merge_free_settings(tree, free_settings)
    except FileNotFoundError as error:
        raise ConfigError(
            f"no run in {folder}: {error}",
            fix="give the directory of a run, such as runs/demo",
        ) from error
    except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
        read_verified(path)
        raise ConfigError(
            f"the settings of the run in {folder} can't be read: {error}",
            fix="start the run again by its config: that writes settings.json anew",
        ) from error
    config = make_config({**tree, "run_dir": str(folder.absolute())})
    if trust is False:
        refuse_unknown_actions(config, folder)
    read_verified(path)
    return config


def merge_free_settings(
    tree: dict[str, Any], free_settings: Mapping[str, Any]
) -> dict[str, Any]:
    """The config's tree with the settings that may change from start to start."""
    for section, values in free_settings.items():
        is_section = isinstance(values, dict)
        tree[section] = {**tree.get(section, {}), **values} if is_section else values
    tree["student"].pop("served", None)
    return tree


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
