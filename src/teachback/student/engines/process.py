"""A server process, started by a command of the user's.

It runs in a process group of its own under a small guard. The guard ends the whole group when
the server ends, when teachback stops it, and when teachback is gone, even by kill -9: else a
server that nobody asks would keep a GPU's memory.
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
from ...errors import ConfigError, StudentError, explain_disk_errors
from .completion import MAX_ERROR_CHARS
from .requests import read_log_end, read_student_key

# For a server to be ready: a large model is read from disk and compiled.
READY_S = 900.0
READY_POLL_S = 0.1
# From SIGTERM on; then the group is killed.
GRACE_S = 15.0
GONE_POLL_S = 0.01
# The guard outlives SIGTERM, which the whole group gets: it waits for the server's own end.
# Its stdin ends when teachback closes the pipe, or is gone.
GUARD_PROGRAM = """
import os, signal, subprocess, sys, threading
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda *_: None)
server = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
def kill_group_at_end():
    sys.stdin.read()
    os.killpg(0, signal.SIGKILL)
threading.Thread(target=kill_group_at_end, daemon=True).start()
print("the server ended with status", server.wait(), flush=True)
os.killpg(0, signal.SIGKILL)
"""


class ServerProcess:
    """A server that teachback has started on a folder.

    It is ready when this is made, and gone after `stop`. Raises StudentError if it isn't
    ready in time, with the end of its log.
    """

    def __init__(
        self,
        command: str,
        folder: Path,
        log: Path,
        limits: RequestLimits,
        ready_s: float = READY_S,
    ) -> None:
        self.folder = folder
        self.log = log
        port = find_free_port()
        self.base_url = f"http://127.0.0.1:{port}/v1"
        words = split_command(command, folder, port)
        with explain_disk_errors(log):
            log.parent.mkdir(parents=True, exist_ok=True)
            out = open(log, "ab")  # noqa: SIM115 - closed by the next line
        with out:
            self._process = subprocess.Popen(
                [sys.executable, "-S", "-c", GUARD_PROGRAM, *words],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=out,
                start_new_session=True,
                env={"VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True", **os.environ},
            )
        try:
            # The first name that the server lists.
            self.model = self._wait_until_ready(ready_s, limits, " ".join(words))
        except BaseException:  # Ctrl-C too: the server would be left behind
            self.stop()
            raise

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def _wait_until_ready(
        self, ready_s: float, limits: RequestLimits, command: str
    ) -> str:
        """Returns the first model that the server lists."""
        deadline = time.monotonic() + ready_s
        while time.monotonic() < deadline:
            if not self.is_alive():
                problem = "the student's server ended before it was ready"
                raise StudentError(
                    problem + read_log_end(self.log),
                    got=command,
                    fix="see its log; run the command yourself until it serves",
                )
            reply = request_models(self.base_url, limits, timeout_s=5)
            if reply.status == 200:
                return read_model_names(reply.body)[0]
            time.sleep(READY_POLL_S)
        problem = f"the student's server was not ready within {ready_s:g} s"
        raise StudentError(
            problem + read_log_end(self.log),
            got=command,
            fix="see its log, or allow it more time",
        )

    def stop(self) -> None:
        """End the server and all processes of its group, by SIGTERM and then by SIGKILL."""
        if self._process.stdin is None or self._process.stdin.closed:
            return
        group = self._process.pid
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGTERM)
        try:
            self._process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            pass
        finally:  # also if the wait was interrupted
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
            self._process.wait()
            self._process.stdin.close()
            wait_for_group_end(group)


def split_command(command: str, folder: Path, port: int) -> list[str]:
    """The command's words, filled in. A folder with a space in its name stays one word.

    Raises ConfigError.
    """
    if "{path}" not in command or "{port}" not in command:
        raise ConfigError(
            "student.serve doesn't say where the student and the port go",
            got=command,
            allowed="a command with {path} and {port}, "
            "such as: vllm serve {path} --port {port}",
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
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_group_end(group: int, timeout_s: float = 5.0) -> None:
    """Killed processes take a moment to go."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline and is_group_alive(group):
        time.sleep(GONE_POLL_S)


def is_group_alive(group: int) -> bool:
    """Whether a process of the group is left.

    A zombie, which has ended and waits to be collected, doesn't count.
    """
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    stat_files = list(Path("/proc").glob("[0-9]*/stat"))
    for stat_file in stat_files:
        with suppress(OSError):  # the process may end meanwhile
            # The name before it is in brackets, and may hold anything.
            fields = stat_file.read_text().rpartition(")")[2].split()
            state, _, its_group = fields[:3]
            if int(its_group) == group and state != "Z":
                return True
    # Without /proc zombies can't be told from the living.
    return not stat_files


def request_models(
    base_url: str, limits: RequestLimits, timeout_s: float = 30.0
) -> HttpReply:
    """The reply to a request for the server's models."""
    return call_server(f"{base_url}/models", limits, timeout_s=timeout_s)


def read_model_names(body: str) -> list[str]:
    """The names in such a reply. Raises StudentError if there are none."""
    try:
        names = [str(model["id"]) for model in json.loads(body)["data"]]
        if not names:
            raise LookupError
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise StudentError(
            "the student's server lists no models", got=body[:MAX_ERROR_CHARS]
        ) from error
    return names


def call_server(
    url: str,
    limits: RequestLimits,
    fields: Mapping[str, str] | None = None,
    timeout_s: float = 30.0,
) -> HttpReply:
    """The reply to a GET, or to a POST if there are fields.

    Where there is no reply, its status is 0 and its body says why.
    """
    body = None if fields is None else json.dumps(fields).encode()
    key = read_student_key(limits)
    reply = send_request(url, limits, key, body=body, deadline_s=timeout_s)
    return reply if isinstance(reply, HttpReply) else HttpReply(0, reply.detail)
