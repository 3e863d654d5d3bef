"""A function of one's own, named in the config: my_module:my_function, or path/to/file.py:my_function."""

import hashlib
import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import ConfigError

FORM = "my_module:my_function, or path/to/file.py:my_function"


def imported(
    spec: str, folder: Path, key: str, form: str, example: str
) -> tuple[Callable[..., Any], bytes]:
    """The function, and the source of the module that it is in.

    The module is a file below `folder`, or else an installed one. Its file is read once: what runs is what is
    returned, to be hashed into the run's identity; modules that it imports are not part of that. Raises ConfigError.
    key: where in the config. form: its arguments, as in "(example, text)"; example: one such, to show.
    """
    module_name, colon, name = spec.rpartition(":")
    if not (colon and module_name and name):
        raise ConfigError(f"{key} names no function", got=repr(spec), allowed=FORM)
    path = file_of(module_name, folder)
    module, source = from_file(path, folder) if path else installed(module_name, folder)
    function = getattr(module, name, None)
    if not callable(function) or not takes(function, form.count(",") + 1):
        there = [
            n
            for n, f in vars(module).items()
            if inspect.isfunction(f) and f.__module__ == module.__name__
        ]
        raise ConfigError(
            f"{module_name} has no function {name}{form}",
            got="something else of that name"
            if hasattr(module, name)
            else f"the functions {', '.join(there) or '-'}",
            fix=f"write one: def {name}{form}: {example}",
        )
    return function, source


def takes(function: Callable[..., object], arguments: int) -> bool:
    try:
        inspect.signature(function).bind(*[None] * arguments)
    except TypeError:
        return False
    except ValueError:  # a builtin that doesn't say what it takes
        return True
    return True


def file_of(module_name: str, folder: Path) -> Path | None:
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
    return next(
        (
            p
            for p in (stem.with_name(f"{stem.name}.py"), stem / "__init__.py")
            if p.is_file()
        ),
        None,
    )


def from_file(path: Path, folder: Path) -> tuple[ModuleType, bytes]:
    """Runs the file under a name that only these bytes have: no cache of bytecode, no clash with a module of that
    name. Its own imports find the files beside it and below `folder`, while it is being loaded."""
    source = path.read_bytes()
    name = f"teachback_function_{hashlib.sha256(bytes(path.resolve()) + source).hexdigest()[:16]}"
    module = ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module  # dataclasses look their module up there
    try:
        with on_path(folder, path.parent):
            exec(compile(source, str(path), "exec"), vars(module))
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise ConfigError(
            f"{path} can't be loaded", got=f"{type(error).__name__}: {error}"
        ) from error
    return module, source


def installed(module_name: str, folder: Path) -> tuple[ModuleType, bytes]:
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
def on_path(*folders: Path) -> Iterator[None]:
    before = list(sys.path)
    sys.path[:0] = [str(folder.resolve()) for folder in folders]
    try:
        yield
    finally:
        sys.path[:] = before
