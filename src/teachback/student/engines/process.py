"""A server process: started by a command of the user's, waited for, and gone at the end with all
its children.

It runs in a process group of its own under a small guard. The guard ends the whole group when the
server ends, when it is told to, and when teachback is gone, even by kill -9: a GPU's memory is
not left to a server that nobody asks.
"""

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from ...endpoints.http_client import HttpReply, RequestLimits, send_request
from ...errors import ConfigError, StudentError
from .completion import MAX_ERROR_CHARS
from .requests import read_log_end, read_student_key

READY_S = 900.0  # a large model is read from disk and compiled
GRACE_S = 15.0  # after SIGTERM; then the group is killed
POLL_S = 0.1
GUARD = """
import os, signal, subprocess, sys, threading
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda *_: None)
server = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
def gone():
    sys.stdin.read()
    os.killpg(0, signal.SIGKILL)
threading.Thread(target=gone, daemon=True).start()
print("the server ended with status", server.wait(), flush=True)
os.killpg(0, signal.SIGKILL)
"""


class ServerProcess:
    """A server that teachback has started on a folder.

    It is ready when this is made, and gone after `stop`.
    """

    def __init__(
        self,
        command: str,
        folder: Path,
        log: Path,
        limits: RequestLimits,
        ready_s: float = READY_S,
    ) -> None:
        self.folder, self.log = folder, log
        port = find_free_port()
        self.base_url = f"http://127.0.0.1:{port}/v1"
        words = split_command(command, folder, port)
        log.parent.mkdir(parents=True, exist_ok=True)
        with open(log, "ab") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-S", "-c", GUARD, *words],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=out,
                start_new_session=True,
                env={"VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True", **os.environ},
            )
        try:
            self.model = self._wait(ready_s, limits, " ".join(words))
        except BaseException:
            self.stop()
            raise

    def alive(self) -> bool:
        return self._process.poll() is None

    def _wait(self, ready_s: float, limits: RequestLimits, words: str) -> str:
        """Until the server lists its models; the name of the first."""
        until = time.monotonic() + ready_s
        while time.monotonic() < until:
            if not self.alive():
                what = "the student's server ended before it was ready" + read_log_end(
                    self.log
                )
                raise StudentError(
                    what,
                    got=words,
                    fix="see its log; run the command yourself until it serves",
                )
            listed = call_server(f"{self.base_url}/models", limits, within_s=5)
            if listed.status == 200:
                return read_model_names(listed.body)[0]
            time.sleep(POLL_S)
        what = (
            f"the student's server was not ready within {ready_s:g} s"
            + read_log_end(self.log)
        )
        raise StudentError(what, got=words, fix="see its log, or allow it more time")

    def stop(self) -> None:
        """Ends the server and all processes of its group: asked first, then killed."""
        if self._process.stdin is None or self._process.stdin.closed:
            return
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            pass
        finally:  # interrupted while waiting: gone all the same
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process.stdin.close()
            wait_until_gone(self._process.pid)


def split_command(command: str, folder: Path, port: int) -> list[str]:
    """The command's words. A folder with a space in its name stays one word."""
    if "{path}" not in command or "{port}" not in command:
        allowed = (
            "a command with {path} and {port}, such as: vllm serve {path} --port {port}"
        )
        raise ConfigError(
            "student.serve doesn't say where the student and the port go",
            got=command,
            allowed=allowed,
        )
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ConfigError(
            "student.serve is no command", got=command, fix=str(error)
        ) from error
    if shutil.which(words[0]) is None:
        raise ConfigError(
            "the program of student.serve is not installed",
            got=words[0],
            fix="install it: see its docs",
        )
    return [
        word.replace("{path}", str(folder)).replace("{port}", str(port))
        for word in words
    ]


def find_free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def wait_until_gone(group: int, within_s: float = 5.0) -> None:
    """Killed processes take a moment to go."""
    until = time.monotonic() + within_s
    while time.monotonic() < until and is_group_alive(group):
        time.sleep(0.01)


def is_group_alive(group: int) -> bool:
    """Whether a process of the group is left.

    One that has ended and waits to be collected is not.
    """
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    stats = list(Path("/proc").glob("[0-9]*/stat"))
    for stat in stats:
        with suppress(OSError):  # gone meanwhile
            state, _, its_group = stat.read_text().rpartition(")")[2].split()[:3]
            if int(its_group) == group and state != "Z":
                return True
    return not stats  # without /proc nothing more is known


def read_model_names(text: str) -> list[str]:
    try:
        names = [str(model["id"]) for model in json.loads(text)["data"]]
        if not names:
            raise LookupError
    except (ValueError, LookupError, TypeError) as error:
        raise StudentError(
            "the student's server lists no models", got=text[:MAX_ERROR_CHARS]
        ) from error
    return names


def call_server(
    url: str,
    limits: RequestLimits,
    fields: Mapping[str, str] | None = None,
    within_s: float = 30.0,
) -> HttpReply:
    """The reply to a GET, or with fields to a POST. Status 0: there is none, for that reason."""
    body = None if fields is None else json.dumps(fields).encode()
    key = read_student_key(limits)
    reply = send_request(url, limits, key, body=body, deadline_s=within_s)
    return reply if isinstance(reply, HttpReply) else HttpReply(0, reply.detail)
