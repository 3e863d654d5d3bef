"""`teachback run` of a small config in processes of its own, which can be killed, and the server
that it asks.
"""

import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

TIMEOUT_S = 300
CONFIG = """\
task: {{name: prontoqa, hops: [1, 2], seeds: 24, dev: 12, test: 6}}
student: {{model: {model}, max_new_tokens: 8, precision: float32}}
teacher: {teacher}
per_round: 6
rounds: 2
budget: {{teacher_tokens: {tokens}}}
finetune: {{epochs: 2, rows_per_step: 2}}
machine: {{threads: 1, checkpoint_every_s: 0}}
"""
AMPLE_TOKENS = 10_000_000
HTTP_TEACHER = (
    "{{name: openai, base_url: '{url}', model: rehearsal, prompts: logic, key_env: null, "
    "in_flight: 2}}"
)


class Ended(NamedTuple):
    code: int  # minus the signal that ended it
    text: str  # stdout and stderr


@dataclass(frozen=True)
class Command:
    """`teachback run` of one config, in processes of its own."""

    config: Path
    budget: int
    log: Path | None = None  # of the HTTP teacher's server

    def start(self, folder: Path, out: Path, *, max_file: int = 0) -> Any:
        def limit_files() -> None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (max_file, max_file))

        args = [sys.executable, "-m", "teachback", "run", str(self.config)]
        with open(out, "wb") as file:
            return subprocess.Popen(
                [*args, "--run-dir", str(folder), "--yes"],
                stdout=file,
                stderr=file,
                stdin=subprocess.DEVNULL,
                preexec_fn=limit_files if max_file else None,
            )

    def out_file(self, folder: Path) -> Path:
        """What a run in that folder prints. Not in it: its disk may be full."""
        return self.config.with_name(f"{folder.parent.name}.out")

    def run(self, folder: Path, *, max_file: int = 0) -> Ended:
        out = self.out_file(folder)
        process = self.start(folder, out, max_file=max_file)
        return Ended(process.wait(TIMEOUT_S), out.read_text(errors="replace"))

    def run_and_kill(self, folder: Path, after_s: float) -> bool:
        """Whether it was killed: it may have ended before."""
        process = self.start(folder, self.out_file(folder))
        try:
            process.wait(after_s)
            return False
        except subprocess.TimeoutExpired:
            process.kill()
        return process.wait() == -signal.SIGKILL

    def log_lines(self) -> int:
        return len(self.log.read_text().splitlines()) if self.log else 0


def make_command(
    folder: Path, teacher: str, tokens: int, log: Path | None = None
) -> Command:
    from teachback.testing import tiny_student

    folder.mkdir()
    model = tiny_student(folder.parent / "student")
    config = folder / "task.yaml"
    config.write_text(CONFIG.format(model=model, teacher=teacher, tokens=tokens))
    return Command(config, tokens, log)


@contextmanager
def serve(config: Path, log: Path) -> Iterator[str]:
    """`teachback serve-program` on the config's task; gives its URL."""
    log.touch()
    args = [sys.executable, "-m", "teachback", "serve-program", str(config)]
    options = ["--prompts", "logic", "--log", str(log), "--latency", "0.02"]
    with subprocess.Popen(
        [*args, *options], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout
        try:
            yield server.stdout.readline().strip()
        finally:
            server.terminate()
