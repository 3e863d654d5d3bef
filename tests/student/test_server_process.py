"""A server's process: started on a free port, waited for, and gone afterwards with its children,
whatever happens.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from teachback.errors import ConfigError, StudentError
from teachback.student.engines import process as server_process
from teachback.student.engines.process import ServerProcess, split_command
from teachback.student.engines.serving import StudentServer

# A server in miniature: it lists the folder it was started on, has a child, and knows no adapters.
STUB = """
import argparse, http.server, json, os, signal, socketserver, subprocess
parser = argparse.ArgumentParser()
parser.add_argument("folder")
parser.add_argument("--port", type=int)
parser.add_argument("--pids")
parser.add_argument("--stubborn", action="store_true")
given = parser.parse_args()
child = subprocess.Popen(["sleep", "600"])
with open(given.pids, "a") as file:
    print(os.getpid(), child.pid, file=file)
if given.stubborn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"data": [{"id": given.folder}]}).encode())
    def do_POST(self):
        self.send_error(404)
socketserver.TCPServer(("127.0.0.1", given.port), Handler).serve_forever()
"""


@pytest.fixture
def stub(tmp_path: Path) -> Callable[..., str]:
    (tmp_path / "stub.py").write_text(STUB)

    def command(*options: str) -> str:
        words = [
            sys.executable,
            "-S",
            tmp_path / "stub.py",
            "{path}",
            "--port",
            "{port}",
            "--pids",
            tmp_path / "pids",
        ]
        return " ".join(map(str, [*words, *options]))

    return command


@pytest.fixture
def student(tmp_path: Path) -> Path:
    """Whole weights, as far as a server in miniature looks."""
    return make_folder(tmp_path / "student")


def make_folder(path: Path, name: str = "config.json") -> Path:
    path.mkdir()
    (path / name).write_text(json.dumps(str(path)))
    return path


def read_pids(tmp_path: Path) -> list[int]:
    return [int(pid) for pid in (tmp_path / "pids").read_text().split()]


def have_ended(*pids: int, timeout_s: float = 5.0) -> bool:
    """No such process, or one that nobody has buried yet."""

    def has_ended(pid: int) -> bool:
        try:
            return (
                Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
                == "Z"
            )
        except OSError:
            return True

    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline and not all(map(has_ended, pids)):
        time.sleep(0.01)
    return all(map(has_ended, pids))


def test_a_server_runs_until_it_is_stopped(
    stub: Callable[..., str], student: Path, tmp_path: Path
) -> None:
    with StudentServer(student, tmp_path / "log", stub()) as serving:
        server = serving.use(student)
        assert server.model == str(student)
        assert server.log == tmp_path / "log"
        assert serving.use(student) == server
        assert len(read_pids(tmp_path)) == 2, "asked for again, it is the same server"
        assert not have_ended(*read_pids(tmp_path), timeout_s=0)
        serving.stop()
        assert have_ended(*read_pids(tmp_path), timeout_s=0)
        assert serving.use(student).base_url != server.base_url
        assert len(read_pids(tmp_path)) == 4
    assert have_ended(*read_pids(tmp_path), timeout_s=0)


def test_after_an_exception_nothing_is_left(
    stub: Callable[..., str], student: Path, tmp_path: Path
) -> None:
    def serve_until_interrupt() -> None:
        with StudentServer(student, tmp_path / "log", stub()) as serving:
            serving.use(student)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        serve_until_interrupt()
    assert have_ended(*read_pids(tmp_path), timeout_s=0)


def test_a_server_that_does_not_listen_is_killed(
    stub: Callable[..., str],
    student: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server_process, "GRACE_S", 0.2)
    with StudentServer(student, tmp_path / "log", stub("--stubborn")) as serving:
        serving.use(student)
    assert have_ended(*read_pids(tmp_path), timeout_s=0)


PARENT = """
import signal, sys, time
from pathlib import Path
from teachback.student.engines.serving import StudentServer
signal.signal(signal.SIGINT, signal.default_int_handler)
with StudentServer(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]) as serving:
    serving.use(Path(sys.argv[1]))
    print("ready", flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_when_teachback_goes_so_does_its_server(
    stub: Callable[..., str], student: Path, tmp_path: Path, number: signal.Signals
) -> None:
    words = [sys.executable, "-c", PARENT, str(student), str(tmp_path / "log"), stub()]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        assert not have_ended(*read_pids(tmp_path), timeout_s=0)
        os.kill(parent.pid, number)
        parent.wait()
    assert have_ended(*read_pids(tmp_path))


def test_a_server_that_ends_at_once_says_why(student: Path, tmp_path: Path) -> None:
    program = tmp_path / "broken.py"
    program.write_text(
        "import sys\nprint('CUDA out of memory:', sys.argv[1:])\nsys.exit(3)\n"
    )
    with pytest.raises(StudentError) as raised:
        StudentServer(
            student, tmp_path / "log", f"{sys.executable} {program} {{path}} {{port}}"
        ).use(student)
    message = str(raised.value)
    assert f"CUDA out of memory: ['{student}'" in message
    assert "the server ended with status 3" in message
    assert f"{sys.executable} {program} {student}" in message


def test_a_server_that_is_never_ready_is_stopped(student: Path, tmp_path: Path) -> None:
    program = tmp_path / "slow.py"
    program.write_text(
        "import os, sys, time\nopen(sys.argv[1], "
        "'w').write(str(os.getpid()))\nprint('loading')\ntime.sleep(99)"
    )
    command = f"{sys.executable} -u {program} {tmp_path / 'pids'} {{path}} {{port}}"
    with pytest.raises(StudentError, match=r"not ready within 0\.5 s(.|\n)*loading"):
        StudentServer(student, tmp_path / "log", command, ready_s=0.5).use(student)
    assert have_ended(*read_pids(tmp_path), timeout_s=0)


def test_a_command_is_split_before_it_is_filled(tmp_path: Path) -> None:
    folder_with_space = tmp_path / "a student"
    words = split_command(
        f"{sys.executable} --x '{{\"a\": 1}}' {{path}} --port={{port}}",
        folder_with_space,
        8123,
    )
    assert words == [
        sys.executable,
        "--x",
        '{"a": 1}',
        str(folder_with_space),
        "--port=8123",
    ]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("vllm serve {path}", r"\{port\}"),
        ("no-such-program {path} {port}", "not installed"),
        ("vllm 'serve {path} {port}", "no command"),
    ],
)
def test_a_command_that_cannot_be_is_refused_before_anything_starts(
    command: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        split_command(command, Path("student"), 8000)


def test_a_server_that_cannot_load_students_is_started_again_on_each(
    stub: Callable[..., str], student: Path, tmp_path: Path
) -> None:
    second = make_folder(tmp_path / "second")
    with StudentServer(student, tmp_path / "log", stub()) as serving:
        first = serving.use(student)
        first_pids = read_pids(tmp_path)
        server = serving.use(second)
        assert (first.model, server.model) == (str(student), str(second))
        assert have_ended(*first_pids, timeout_s=0)
        assert serving.use(second) == server


def test_an_adapter_is_loaded_onto_the_base_by_a_server_that_can(
    stub: Callable[..., str], student: Path, tmp_path: Path
) -> None:
    adapter = make_folder(tmp_path / "adapter", "adapter_config.json")
    merged = make_folder(tmp_path / "merged")
    with StudentServer(student, tmp_path / "log", stub()) as serving:
        serving.use(merged)
        with pytest.raises(
            StudentError, match=r"HTTP 404(.|\n)*--enable-lora(.|\n)*merge"
        ):
            serving.use(adapter)
        assert len(read_pids(tmp_path)) == 4, (
            "the server on other weights was stopped, and one started on the base"
        )
        assert serving.use(student).model == str(student)
        assert len(read_pids(tmp_path)) == 4


def test_a_server_that_is_not_ours_is_never_started_again(
    stub: Callable[..., str], student: Path, tmp_path: Path
) -> None:
    other_server = ServerProcess(
        stub(),
        student,
        tmp_path / "log",
        StudentServer(student, tmp_path / "log", "x").limits,
    )
    try:
        serving = StudentServer(
            student, tmp_path / "log", base_url=other_server.base_url
        )
        assert serving.use(student).model == str(student)
        with pytest.raises(
            StudentError, match=r"can't load the student(.|\n)*student\.serve"
        ):
            serving.use(make_folder(tmp_path / "second"))
        with pytest.raises(StudentError, match=rf"other(.|\n)*allowed: {student}"):
            StudentServer(
                student, tmp_path / "log", base_url=other_server.base_url, model="other"
            ).use(student)
        serving.stop()
        assert other_server.is_alive()
    finally:
        other_server.stop()
    with pytest.raises(
        StudentError,
        match=r"no server lists its models(.|\n)*Connect call failed(.|\n)*student\.serve",
    ):
        serving.use(student)


def test_a_student_is_served_one_way() -> None:
    for settings in ({}, {"command": "x {path} {port}", "base_url": "http://x/v1"}):
        with pytest.raises(ConfigError, match="one of serve and base_url"):
            StudentServer(Path("base"), Path("log"), **settings)
