"""What a run's config would start, load or ask, and whether the user has said that it may.

A run's directory may come from somebody else, and so may the commands in it. What the user has
started from a config of their own is remembered in the cache folder, by hash.
"""

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ..errors import ConfigError
from ..student.folder import cache_folder
from .config import Config
from .paths import list_path_keys
from .tree import find_value

REMEMBERED_FILE = "trusted.txt"


def list_actions(config: Config) -> list[str]:
    """What the config would start, load or ask on this machine, a line each."""
    return [*_list_programs(config), *_list_addresses(config)]


def _list_programs(config: Config) -> Iterator[str]:
    if config.student.serve is not None:
        yield f"the command student.serve: {config.student.serve}"
    tree = config.model_dump(mode="json")
    for key, forms in list_path_keys().items():
        if "function" in forms.values():
            yield from _list_functions(key, find_value(tree, key))
    if config.machine.report_to:
        yield f"the trackers machine.report_to: {', '.join(config.machine.report_to)}"


def _list_functions(key: str, named: object) -> Iterator[str]:
    """named: a function's name, several, or None."""
    for function in named if isinstance(named, list) else [named]:
        # Without a colon it names none, but a tracker that the package has.
        if function is not None and ":" in str(function):
            # A name without a path is looked for in the current folder.
            is_file = str(function).startswith("/")
            where = "" if is_file else f", from {Path.cwd()}"
            yield f"the function {key}: {function}{where}"


def _list_addresses(config: Config) -> Iterator[str]:
    """Questions and answers go there, and the key of that environment variable."""
    for section, settings in (("student", config.student), ("judge", config.judge)):
        if settings is not None and settings.base_url is not None:
            key = f" with the key in ${settings.key_env}" if settings.key_env else ""
            yield f"requests to {section}.base_url: {settings.base_url}{key}"


def remember_actions(config: Config) -> None:
    """The user has started this config, so its run may do the same later on."""
    known = _read_remembered()
    new = [
        line for line in map(_hash_action, list_actions(config)) if line not in known
    ]
    # A cache that can't be written costs a question later, and shall not end a run.
    with suppress(OSError):
        if new:
            path = cache_folder() / REMEMBERED_FILE
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(path, "a", encoding="ascii") as file:
                file.write("".join(f"{line}\n" for line in new))


def refuse_unknown_actions(config: Config, folder: Path) -> None:
    """Raise ConfigError for what the user has never started from a config of their own."""
    known = _read_remembered()
    unknown = [a for a in list_actions(config) if _hash_action(a) not in known]
    if unknown:
        raise ConfigError(
            f"the run in {folder} names what was never started here by `teachback run CONFIG`",
            got="; ".join(unknown),
            allowed="what you have started yourself, or what you trust",
            fix="read these lines; if all of it may happen on this machine, add --trust",
        )


def _read_remembered() -> set[str]:
    try:
        text = (cache_folder() / REMEMBERED_FILE).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return set()
    return {*text.split()}


def _hash_action(action: str) -> str:
    return hashlib.sha256(action.encode("utf-8", "replace")).hexdigest()
