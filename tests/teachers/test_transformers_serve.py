"""A real third-party teacher: `transformers serve` with SmolLM2 on this machine, for one round."""

import importlib.util
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from teachback import api
from teachback.config.reading import make_config
from teachback.ledger.queries import open_read_only
from teachback.student.folder import resolve_model

pytestmark = pytest.mark.slow
NEEDED = ("fastapi", "uvicorn", "openai")


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


@pytest.fixture(scope="module")
def teacher() -> Iterator[tuple[str, str]]:
    """Base URL and model."""
    if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        pytest.skip(
            f"transformers serve needs {', '.join(missing)}: pip install -e '.[slow]'"
        )
    model, port = str(resolve_model("smollm2-135m")[0]), free_port()
    command = [
        sys.executable,
        "-m",
        "transformers.cli.transformers",
        "serve",
        model,
        "--port",
        str(port),
    ]
    with subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--device", "cpu"]
    ) as server:
        try:
            for _ in range(240):
                assert server.poll() is None, "the server has ended"
                try:
                    urlopen(f"http://127.0.0.1:{port}/health", timeout=2).close()
                    break
                except OSError:
                    time.sleep(0.5)
            yield f"http://127.0.0.1:{port}/v1", model
        finally:
            server.kill()


def test_one_round_through_a_server_that_is_not_ours(
    teacher: tuple[str, str], tiny: Path, tmp_path: Path
) -> None:
    base_url, model = teacher
    seeds = tmp_path / "seeds.jsonl"
    lines = [
        json.dumps({"question": f"What is {n} + {n + 3}?", "answer": str(2 * n + 3)})
        for n in range(12)
    ]
    seeds.write_text("\n".join(lines) + "\n", encoding="utf-8")
    asked = {
        "task": {"name": "jsonl", "seeds": str(seeds), "n_dev": 4, "grader": "number"},
        "student": {"model": str(tiny), "max_new_tokens": 8, "precision": "float32"},
        "teacher": {
            "name": "openai", "base_url": base_url, "model": model, "key_env": None, "in_flight": 2,
            "max_tokens_question": 64, "max_tokens_answer": 64, "deadline_s": 120,
        },
        "criterion": "random", "per_round": 4, "rounds": 1, "finetune": {"epochs": 1},
        "run_dir": str(tmp_path / "run"),
        "machine": {"threads": 1},
    }  # fmt: skip
    result = api.run(make_config(asked))
    (finished,) = result.history.rounds
    assert len(finished.fresh.rows) + len(finished.fresh.rejected) == 4
    spend = result.spend
    assert spend.calls >= 4
    assert (spend.estimated_calls, spend.in_doubt_calls, spend.held_tokens) == (0, 0, 0)
    assert spend.input_tokens > 4 * 100, "the prompts are about 200 tokens long"
    assert 0 < spend.output_tokens <= 64 * spend.calls
    with open_read_only(tmp_path / "run/ledger.sqlite") as ledger:
        assert {one.role for one in ledger.costs_by_role()} <= {"question", "answer"}
