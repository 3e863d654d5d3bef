"""A step in a process of its own, which ends with it: how its memory is proven free.

Not multiprocessing: its spawned processes import the user's main module again, which breaks a script without a guard.
The child ends when its parent does, whatever the parent died of: it reads a pipe that only the parent holds open.
"""

import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from importlib import import_module
from typing import IO, Any

from ...errors import StudentError

MAIN = "from teachback.student.training.child import main; main()"


def in_child(function: str, job: Any, tell: Callable[[int, int], None], say: Callable[[str], None]) -> None:
    """Run function(job, tell, say), named module:function, in a child. Raises what it raised."""
    torch = sys.modules.get("torch")
    threads = torch.get_num_threads() if torch else None
    child = subprocess.Popen(
        [sys.executable, "-c", MAIN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )  # a session of its own: Ctrl-C is the parent's to pass on
    assert child.stdin
    assert child.stdout
    try:
        child.stdin.write(pickle.dumps((sys.path, function, job, threads)))
        child.stdin.flush()
        listen(child.stdout, tell, say)
        if code := child.wait():
            raise StudentError("the finetuning process died", got=died(code), fix="see its last words above")
    finally:
        child.kill()
        child.wait()
        child.stdin.close()
        child.stdout.close()


def died(code: int) -> str:
    if code == -9:
        return "it was killed (signal 9): out of memory, most likely"
    return f"signal {-code}" if code < 0 else f"exit status {code}"


def listen(said: IO[bytes], tell: Callable[[int, int], None], say: Callable[[str], None]) -> None:
    """Passes on what the child says until it is done, or has died."""
    while True:
        try:
            kind, *values = pickle.load(said)
        except EOFError:
            return
        if kind == "tell":
            tell(*values)
        elif kind == "say":
            say(*values)
        elif kind == "error":
            raise values[0]


def main() -> None:
    """In the child: stdin is the job, then the parent's life; stdout goes to stderr, and the old one to the parent."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.path[:], function, job, threads = pickle.load(sys.stdin.buffer)
    threading.Thread(target=end_with_parent, daemon=True).start()

    def send(kind: str, *values: object) -> None:
        out.write(pickle.dumps((kind, *values)))
        out.flush()

    try:
        if threads:
            import torch

            torch.set_num_threads(threads)
        module, _, name = function.partition(":")
        getattr(import_module(module), name)(
            job, lambda step, steps: send("tell", step, steps), lambda what: send("say", what)
        )
    except Exception as error:
        send("error", portable(error))
        sys.exit(1)


def portable(error: Exception) -> Exception:
    """The error, or one that says the same where it doesn't survive the way to the parent."""
    try:
        pickle.loads(pickle.dumps(error))
        return error
    except Exception:
        return StudentError(f"finetuning failed: {type(error).__name__}: {error}")


def end_with_parent() -> None:
    while os.read(0, 4096):
        pass
    os._exit(1)
