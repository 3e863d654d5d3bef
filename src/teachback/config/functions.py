"""Imports the user's functions that a config names, as my_module:my_function."""

import hashlib
import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import ConfigError, describe_user_error, guard_function

FORM = "my_module:my_function, or path/to/file.py:my_function"


def import_function(
    spec: str, folder: Path, key: str, parameters: str, example: str
) -> tuple[Callable[..., Any], bytes]:
    """The function, and the source of its module.

    spec: its name in the config. key: the key that holds it. parameters: as in
    "(example, text)". example: a body, to show in an error.

    The module is a file below `folder`, or else an installed one. Its file is read once: the
    source that runs is the one returned, which is hashed into the run's identity. Modules that
    it imports are not part of that. Raises ConfigError.
    """
    module_name, colon, name = spec.rpartition(":")
    if not (colon and module_name and name):
        raise ConfigError(f"{key} names no function", got=repr(spec), allowed=FORM)
    path = find_module_file(module_name, folder)
    if path:
        module, source = load_module_file(path, folder)
    else:
        module, source = import_installed(module_name, folder)
    function = getattr(module, name, None)
    n_parameters = parameters.count(",") + 1
    if not callable(function) or not accepts_arguments(function, n_parameters):
        own = [
            other
            for other, value in vars(module).items()
            if inspect.isfunction(value) and value.__module__ == module.__name__
        ]
        is_taken = hasattr(module, name)
        raise ConfigError(
            f"{module_name} has no function {name}{parameters}",
            got="something else of that name"
            if is_taken
            else f"the functions {', '.join(own) or '-'}",
            fix=f"write one: def {name}{parameters}: {example}",
        )
    return guard_function(function, spec), source


def accepts_arguments(function: Callable[..., object], arguments: int) -> bool:
    try:
        inspect.signature(function).bind(*[None] * arguments)
    except TypeError:
        return False
    except ValueError:  # a builtin that doesn't say what it takes
        return True
    return True


def find_module_file(module_name: str, folder: Path) -> Path | None:
    """The file that the name stands for; None where it can only be an installed module."""
    if module_name.endswith(".py"):
        path = folder / module_name
        if not path.is_file():
            raise ConfigError(
                f"{path} is not there",
                got=module_name,
                fix=f"give the path from {folder}",
            )
        return path
    stem = folder.joinpath(*module_name.split("."))
    candidates = [stem.with_name(f"{stem.name}.py"), stem / "__init__.py"]
    return next((path for path in candidates if path.is_file()), None)


def load_module_file(path: Path, folder: Path) -> tuple[ModuleType, bytes]:
    """Run the file as a module, and return it with its source.

    Its name is made from its bytes, so it can't clash with another module of that name, and no
    cached bytecode runs in its place. While it loads, its own imports find the files beside it
    and below `folder`.
    """
    source = path.read_bytes()
    digest = hashlib.sha256(bytes(path.resolve()) + source).hexdigest()
    name = f"teachback_function_{digest[:16]}"
    module = ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module  # dataclasses look their module up there
    try:
        with search_path(folder, path.parent):
            exec(compile(source, str(path), "exec"), vars(module))
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise ConfigError(
            f"{path} can't be loaded", got=describe_user_error(error, str(path))
        ) from error
    return module, source


def import_installed(module_name: str, folder: Path) -> tuple[ModuleType, bytes]:
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        raise ConfigError(
            f"no module {module_name} in {folder}, nor can an installed one be imported",
            got=f"{type(error).__name__}: {error}",
            allowed=FORM,
        ) from error
    file = getattr(module, "__file__", None)
    if file is None:
        raise ConfigError(
            f"{module_name} has no file whose source could be kept with the run",
            allowed=FORM,
        )
    return module, Path(file).read_bytes()


@contextmanager
def search_path(*folders: Path) -> Iterator[None]:
    """Within it, imports look in these folders first."""
    before = list(sys.path)
    sys.path[:0] = [str(folder.resolve()) for folder in folders]
    try:
        yield
    finally:
        sys.path[:] = before
