"""Every error that teachback raises on purpose, with the exit code of a command that meets it.

A bad *row* is no error. It is data with a reason (see `types.Draft`, `types.Rejection`).
"""

import errno
import re
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from importlib.util import find_spec
from inspect import unwrap
from pathlib import Path
from typing import Any
from unicodedata import category

# Text that a terminal shows as it is; other characters are looked at one by one.
NON_ASCII_OR_CONTROL = re.compile(r"[^\t\n -~]")
# Controls, formats (bidirectional, zero-width), line and paragraph separators, lone surrogates.
HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Zl", "Zp", "Cs"})

# What SQLite, torch and safetensors make of an OSError while they write.
DISK_ERROR_WORDS = re.compile(
    r"No space left on device|Disk quota exceeded|Read-only file system|\(os error \d+\)"
    r"|disk is full|readonly database|disk I/O error"
    r"|PytorchStreamWriter|inline_container"
)
FULL_DISK = re.compile(r"No space left|quota exceeded|os error 28|disk is full")
GO_ON = "run the same command: what is finished is kept"

# By extra: the modules of its packages, which pyproject.toml lists with their versions.
EXTRA_MODULES: Mapping[str, tuple[str, ...]] = {
    "student": (
        "torch",
        "transformers",
        "accelerate",
        "peft",
        "gguf",
        "psutil",
        "aiohttp",
    ),
    "teacher": ("aiohttp",),
    "qlora": ("bitsandbytes",),
    "math": ("math_verify",),
    "plots": ("jinja2",),
    "gym": ("reasoning_gym",),
    "files": ("pyarrow",),
    "hub": ("datasets",),
    "pandas": ("pandas",),
    "trackio": ("trackio",),
    "wandb": ("wandb",),
    "mlflow": ("mlflow",),
    "tensorboard": ("tensorboard",),
}
# The smallest extra that installs a module: these packages bring some others.
EXTRA_OF_MODULE: Mapping[str, str] = {
    **{module: extra for extra in EXTRA_MODULES for module in EXTRA_MODULES[extra]},
    "huggingface_hub": "student",
    "safetensors": "student",
    "tokenizers": "student",
}


def escape_controls(text: str) -> str:
    r"""Show what a terminal would obey or hide as an escape: \x1b, \u202e, \U000e0041.

    Newlines and tabs stay. Questions, answers and error bodies come from elsewhere: raw, their
    escape sequences would move the cursor, set the clipboard or hide other text.
    """
    return NON_ASCII_OR_CONTROL.sub(_escape_hidden, text.replace("\r\n", "\n"))


def _escape_hidden(match: re.Match[str]) -> str:
    character = match[0]
    if category(character) not in HIDDEN_CATEGORIES:
        return character
    code = ord(character)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


class TeachbackError(Exception):
    """Its message says what is wrong, what was got, what is allowed, and the fix.

    Control characters in it are shown as escapes, because it ends on a terminal or in a log.
    """

    exit_code = 1

    def __init__(
        self, what: str, *, got: object = None, allowed: object = None, fix: str = ""
    ) -> None:
        parts = [what]
        if got is not None:
            parts.append(f"got: {got}")
        if allowed is not None:
            parts.append(f"allowed: {allowed}")
        if fix:
            parts.append(f"fix: {fix}")
        super().__init__(escape_controls("\n  ".join(parts)))


class ConfigError(TeachbackError):
    """A value in the config, or an argument of a command, can't be used."""

    exit_code = 2


class UserFunctionError(ConfigError):
    """A function of the user's, which the config names, raised something."""

    def __init__(self, what: str, *, got: object = None, **more: str) -> None:
        super().__init__(what, got=got, **more)
        self.got = got  # what was raised, and where


class DataError(TeachbackError):
    """A file of rows is missing, unreadable, empty or ambiguous."""

    exit_code = 2


class MissingPackages(ConfigError):
    """Packages that `pip install teachback` leaves out are not installed. One line with the fix."""

    def __init__(self, who: str, modules: Iterable[str]) -> None:
        names = list(modules)
        is_or_are = "is" if len(names) == 1 else "are"
        super().__init__(
            f"{who} needs {', '.join(names)}, which {is_or_are} not installed: "
            f"{make_pip_line(names)}"
        )


class InputsChanged(TeachbackError):
    """The run's directory was made from other data, prompts or models, or in another format."""

    exit_code = 2


class RunLocked(TeachbackError):
    """Another process is at work in the run's directory."""

    exit_code = 2


class StudentError(TeachbackError):
    """The model can't be used as a student."""

    exit_code = 2


class CriterionError(TeachbackError):
    """The scores can't rank the pool."""

    exit_code = 2


class LedgerError(TeachbackError):
    """The ledger is of another version, or the budget is below what is spent."""

    exit_code = 2


class BudgetClosed(TeachbackError):
    """The budget can't pay for what a step can't do without."""

    exit_code = 3


class TeacherDown(TeachbackError):
    """The teacher can't be reached. Everything so far is kept."""

    exit_code = 4


class LowYield(TeachbackError):
    """So few of the teacher's drafts can be used that no more are bought. All are kept."""

    exit_code = 4


class PushFailed(TeachbackError):
    """The Hub refuses what is pushed, or can't be reached. The same command again is safe."""


class DiskError(TeachbackError):
    """A file can't be written: the disk is full or read-only. Everything so far is kept."""

    exit_code = 2


# -- packages that are not there -----------------------------------------------------------


def require_modules(who: str, modules: Iterable[str]) -> None:
    """Raises MissingPackages, naming all that are missing. who: what needs them."""
    missing = [module for module in modules if not is_installed(module)]
    if missing:
        raise MissingPackages(who, missing)


def is_installed(module: str) -> bool:
    """Whether a module could be imported. It is not loaded."""
    try:
        return find_spec(module) is not None
    except (
        ImportError,
        ValueError,
    ):  # some finder refuses it; it was put there by hand
        return False


def make_pip_line(modules: Iterable[str]) -> str:
    """The command that installs them, by the extras that hold them."""
    names = list(modules)
    extras = {EXTRA_OF_MODULE[name]: None for name in names if name in EXTRA_OF_MODULE}
    parts = [f"'teachback[{','.join(extras)}]'"] if extras else []
    parts += [name for name in names if name not in EXTRA_OF_MODULE]
    return f"pip install {' '.join(parts)}"


# -- errors of the disk ------------------------------------------------------------------


@contextmanager
def explain_disk_errors(path: Path) -> Iterator[None]:
    """Around a write to `path`: raises DiskError for what the disk refuses.

    Libraries report a full disk in their own ways, so the error's text is looked at too.
    """
    try:
        yield
    except Exception as error:
        if not is_disk_error(error):
            raise
        raise make_disk_error(path, error) from error


def is_disk_error(error: Exception) -> bool:
    if isinstance(error, TeachbackError):
        return False
    if isinstance(error, OSError):
        # A lost connection is an OSError too.
        return not isinstance(error, ConnectionError | TimeoutError)
    return DISK_ERROR_WORDS.search(str(error)) is not None


def make_disk_error(path: Path | str, error: Exception) -> DiskError:
    text = str(error)
    fix = f"see that its disk is there and works, then {GO_ON}"
    code = error.errno if isinstance(error, OSError) else None
    if code in (errno.ENOSPC, errno.EDQUOT) or FULL_DISK.search(text):
        fix = f"make room on its disk (df -h shows how full it is), then {GO_ON}"
    elif code in (errno.EROFS, errno.EACCES, errno.EPERM) or "readonly" in text:
        fix = "make it writable, or use another place (--run-dir, --out)"
    elif code in (errno.EMFILE, errno.ENFILE):
        fix = f"raise the limit on open files (ulimit -n), then {GO_ON}"
    elif code in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR):
        fix = "a file stands where a folder should be, or the other way round: use another path"
    return DiskError(f"{path} can't be written", got=text, fix=fix)


# -- errors of the user's functions ------------------------------------------------------


def guard_function(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """The function; what it raises becomes a UserFunctionError that names it, file and line."""

    @wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except TeachbackError:
            raise
        except (Exception, SystemExit) as error:
            raise UserFunctionError(
                f"your function {name} failed: {type(error).__name__}: {error}",
                got=describe_user_error(error, source_file(function)),
                fix="mend it. Its source is part of what a run is: after a change a run that was "
                "started with it needs another --run-dir (TEACHBACK_TRACEBACK=1 shows the "
                "traceback)",
            ) from error

    return guarded


def describe_user_error(error: BaseException, file: str | None) -> str:
    """What was raised, and the last line of the user's own file on the way there."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename == file]
    last = (own or frames)[-1]
    return f"{type(error).__name__}: {error} ({last.filename}, line {last.lineno})"


def source_file(function: Callable[..., Any]) -> str | None:
    code = getattr(unwrap(function), "__code__", None)
    return code.co_filename if code else None
