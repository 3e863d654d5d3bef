"""Makes the paths in a config absolute. The settings' types say which keys are paths."""

import os
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic.fields import FieldInfo

from ..errors import ConfigError
from ..types import PathForm, Settings
from .config import Config
from .sections_by_name import NAMED_SECTIONS, expand_short_form, find_section
from .tree import find_value, set_value

# By dotted key: the form of its path, by the `name` of its section ("": the section has none).
PathKeys = Mapping[str, Mapping[str, PathForm]]


def resolve_paths(tree: dict[str, Any], base: Path) -> dict[str, Any]:
    """The tree with $NAME filled in and relative paths made absolute.

    They are taken from `base`; run_dir from the current folder. Keys of `arms` have dotted names.
    """
    if isinstance(tree.get("criterion"), str):
        tree = {**tree, "criterion": expand_short_form(tree["criterion"])}
    for key, forms in list_path_keys().items():
        is_dotted = key in tree
        value = tree[key] if is_dotted else find_value(tree, key)
        name = find_value(tree, f"{key.partition('.')[0]}.name")
        form = forms.get("") or forms.get(str(name))
        if is_dotted:
            form = form or next(iter(forms.values()))
        if form is None or not isinstance(value, str | Path | list):
            continue
        items = value if isinstance(value, list) else [value]
        paths = [resolve_path(key, item, form, base) for item in items]
        tree = set_value(
            tree,
            [key] if is_dotted else key.split("."),
            paths if isinstance(value, list) else paths[0],
        )
    arms = tree.get("arms")
    if isinstance(arms, Mapping):
        resolved = {
            arm: resolve_paths(changes, base) if isinstance(changes, dict) else changes
            for arm, changes in arms.items()
        }
        tree = {**tree, "arms": resolved}
    return tree


def resolve_path(key: str, value: object, form: PathForm, base: Path) -> object:
    """The value as it is, unless it is a path."""
    if not isinstance(value, str | Path) or not is_path(str(value), form):
        return value
    start = Path.cwd() if key == "run_dir" else base.absolute()
    return str(start / expand_variables(key, str(value)))


def is_path(text: str, form: PathForm) -> bool:
    """Whether a value of this form is a path here, and not a name or an installed module."""
    if form == "folder or name":
        return text.startswith((".", "/", "~", "$"))
    if form == "function":
        return ".py:" in text
    return True


def expand_variables(key: str, text: str) -> Path:
    path = Path(os.path.expandvars(text)).expanduser()
    missing = re.search(r"\$\{?(\w+)", str(path))
    if missing:
        raise ConfigError(
            f"{key} names an environment variable that is not set",
            got=text,
            fix=f"export {missing[1]}=FOLDER, or write the path",
        )
    return path


@cache
def list_path_keys() -> PathKeys:
    """Every key of a config that may hold a path."""
    keys: dict[str, dict[str, PathForm]] = {}
    for section, field in Config.model_fields.items():
        form = path_form(field)
        if form:
            keys[section] = {"": form}
        for name, settings in _settings_of(section, field):
            for key, inner in settings.model_fields.items():
                form = path_form(inner)
                if form:
                    keys.setdefault(f"{section}.{key}", {})[name] = form
    return keys


def _settings_of(
    section: str, field: FieldInfo
) -> Iterator[tuple[str, type[Settings]]]:
    """The classes that a section may be of, each with its `name` ("": it has none)."""
    if section in NAMED_SECTIONS:
        yield from NAMED_SECTIONS[section].items()
        return
    settings = find_section(field.annotation)
    if settings:
        yield "", settings


def path_form(field: FieldInfo) -> PathForm | None:
    """In which form a field's type says that it holds a path."""
    parts = list(_walk_annotation(Annotated[field.annotation, "", *field.metadata]))
    if Path in parts:
        return "file"
    return next((part for part in parts if part in get_args(PathForm)), None)


def _walk_annotation(annotation: Any) -> Iterator[Any]:
    yield annotation
    for part in get_args(annotation):
        yield from _walk_annotation(part)
