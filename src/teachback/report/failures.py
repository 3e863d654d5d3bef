"""What a command says when something goes wrong: one message, with its exit code."""

import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

from ..errors import (
    MissingPackages,
    TeachbackError,
    is_disk_error,
    make_disk_error,
)
from .console import stderr

# Set, it shows the traceback of any error: for bug reports, and for your own functions.
TRACEBACK_VARIABLE = "TEACHBACK_TRACEBACK"
STOPPED_CODE = 130
STOPPED_MESSAGE = (
    "stopped. What is finished is kept; the same command goes on from here."
)

STOPPED_AT_ONCE_MESSAGE = b"""
stopped at once. What is finished is kept; calls in flight are charged in full.
"""


class StopHandler:
    """Of Ctrl-C and SIGTERM: the first ends the command in order, the second at once."""

    def __init__(self) -> None:
        self.is_stopping = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.is_stopping:
            # No more Python code: what is under way may wait for a lock, or for a server.
            os.write(2, STOPPED_AT_ONCE_MESSAGE)
            os._exit(STOPPED_CODE)
        self.is_stopping = True
        raise KeyboardInterrupt


def run_command_line(app: Callable[[], object]) -> NoReturn:
    """Run a command line that ends in SystemExit, and end the process.

    An error becomes a message and its exit code, never a traceback. SIGTERM is Ctrl-C, and a second
    one ends the process at once.
    """
    handler = StopHandler()
    with suppress(ValueError):  # only the main thread may set it
        signal.signal(signal.SIGTERM, handler)
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, handler)
    try:
        try:
            app()
        finally:
            # Else the interpreter would meet a full disk, or a closed pipe, after its last line.
            sys.stdout.flush()
    except KeyboardInterrupt:
        stop()
    except BrokenPipeError:
        drop_stdout()
        sys.exit(1)
    except Exception as error:
        if os.environ.get(TRACEBACK_VARIABLE):
            raise
        drop_stdout()
        first = find_first_error(error)
        if isinstance(first, KeyboardInterrupt):
            stop()
        failure = make_message_error(first)
        stderr.print(f"error: {failure}")
        sys.exit(failure.exit_code)
    sys.exit(0)


@contextmanager
def exit_when_stopped() -> Iterator[None]:
    """Ctrl-C and SIGTERM end the command without a traceback: typer would say "Aborted"."""
    try:
        yield
    except KeyboardInterrupt:
        stop()


def stop() -> NoReturn:
    stderr.print(STOPPED_MESSAGE)
    sys.exit(STOPPED_CODE)


def drop_stdout() -> None:
    """What can't be written any more is not tried again when the interpreter ends."""
    try:
        sys.stdout.flush()
    except OSError:
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def find_first_error(error: BaseException) -> BaseException:
    """The error that began it.

    A task group wraps errors. And what cleaning up raises, while an error of ours or Ctrl-C is
    under way, comes in its place: the first one says what to do.
    """
    if isinstance(error, BaseExceptionGroup):
        return find_first_error(error.exceptions[0])
    earlier = error.__context__
    if earlier is None or error.__suppress_context__:
        return error
    first = find_first_error(earlier)
    return first if isinstance(first, TeachbackError | KeyboardInterrupt) else error


def make_message_error(error: BaseException) -> TeachbackError:
    if isinstance(error, TeachbackError):
        return error
    if isinstance(error, ModuleNotFoundError):
        return explain_missing_module(error)
    if isinstance(error, OSError) and is_disk_error(error):
        return explain_os_error(error)
    if isinstance(error, MemoryError):
        return TeachbackError("there is not enough memory", got=error)
    return TeachbackError(
        "teachback failed in a way that it should not",
        got=f"{type(error).__name__}: {error}, at {locate(error)}",
        fix=f"run it with {TRACEBACK_VARIABLE}=1 and report what it prints; "
        "what is finished is kept",
    )


def explain_missing_module(error: ModuleNotFoundError) -> TeachbackError:
    module = (error.name or "").partition(".")[0]
    return MissingPackages("this command", [module])


def explain_os_error(error: OSError) -> TeachbackError:
    """Of a file that no room explains: stdout, an input that can't be read."""
    if is_read_error(error):
        return TeachbackError(
            f"{error.filename} can't be used",
            got=error.strerror,
            fix="give another path, or mend this one",
        )
    return make_disk_error(error.filename or "the output", error)


def is_read_error(error: OSError) -> bool:
    kinds = FileNotFoundError | PermissionError | IsADirectoryError | NotADirectoryError
    return isinstance(error, kinds) and error.filename is not None


def locate(error: BaseException) -> str:
    """Where it was raised: "file.py, line 12"."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return "an unknown place"
    return f"{frames[-1].filename}, line {frames[-1].lineno}"
