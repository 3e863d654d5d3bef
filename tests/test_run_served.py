"""A run whose student answers behind a real server, which the run starts, and ends."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import teachback
from teachback import api
from teachback.config.reading import make_config
from teachback.errors import ConfigError, InputsChanged

SERVER = Path(__file__).parent / "serving_student.py"
SERVE = (
    f"{shlex.quote(sys.executable)} {shlex.quote(str(SERVER))} {{path}} --port {{port}}"
)


def tree(folder: Path, tiny: Path, **student: Any) -> dict[str, Any]:
    return {
        "task": {"name": "prontoqa", "hops": [1, 2], "seeds": 6, "dev": 4, "test": 3},
        "student": {
            "model": str(tiny),
            "max_new_tokens": 8,
            "precision": "float32",
            **student,
        },
        "per_round": 3,
        "rounds": 1,
        "finetune": {"epochs": 1, "rows_per_step": 3, "lr": 1e-3},
        "run_dir": str(folder),
    }


def running() -> bool:
    """Whether a server that this process started is alive (another test's, in another process,
    may well be).
    """
    ours = ["pgrep", "--parent", str(os.getpid()), "--full", str(SERVER)]
    found = subprocess.run(ours, capture_output=True, text=True)
    return found.returncode == 0


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TEACHBACK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_served_student_gives_the_run_that_it_gives_in_this_process(
    tmp_path: Path, tiny: Path, cache: Path
) -> None:
    here = teachback.run(make_config(tree(tmp_path / "here", tiny)))
    config = make_config(tree(tmp_path / "there", tiny, serve=SERVE))
    there = teachback.run(config)
    assert not running(), "the run's end is the server's"
    one, other = here.history.rounds[0], there.history.rounds[0]
    assert [p.seed for p in one.chosen.picks] == [p.seed for p in other.chosen.picks]
    assert dict(one.chosen.scores) == pytest.approx(dict(other.chosen.scores), abs=1e-4)
    assert [item.text for item in one.report.items] == [
        item.text for item in other.report.items
    ]
    assert (other.report.gold_nll, one.report.gold_nll is None) == (None, False), (
        "a server tells no likelihoods"
    )
    assert teachback.run(config).history == there.history, (
        "and a finished run needs none"
    )
    assert teachback.evaluate(config.run_dir).n == 3
    assert not running()
    assert list((cache / "servers").glob("*.log"))
    with pytest.raises(InputsChanged, match=r"student\.served: True → None"):
        teachback.run(make_config(tree(tmp_path / "there", tiny)))


@pytest.mark.parametrize(
    ("name", "need"),
    [("egl", "egl"), ("badge", "gradients"), ("true_loss", "gold_nll")],
)
def test_a_criterion_that_needs_more_than_a_server_gives_is_refused(
    name: str, need: str, tmp_path: Path, tiny: Path
) -> None:
    config = make_config(
        {**tree(tmp_path / "run", tiny, serve=SERVE), "criterion": name}
    )
    for command in (teachback.run, api.plan):
        with pytest.raises(
            ConfigError,
            match=f"the criterion {name} needs {need} of every attempt, which no server",
        ):
            command(config)


@pytest.mark.parametrize("name", ["entropy", "margin", "egl", "max_nll"])
def test_a_run_by_each_signal(name: str, tmp_path: Path, tiny: Path) -> None:
    result = teachback.run(
        make_config({**tree(tmp_path / "run", tiny), "criterion": name})
    )
    scores = [score for _, score in result.history.rounds[0].chosen.scores]
    assert len(set(scores)) == 6
    kept = json.loads((tmp_path / "run/round-00/attempt.json").read_text())
    field = {"margin": "gap"}.get(name, name)
    assert sorted(abs(score) for score in scores) == sorted(
        attempt[field] for attempt in kept["rows"]
    )


@pytest.mark.parametrize(
    ("student", "message"),
    [
        ({"serve": "vllm serve {path}"}, r"serve needs \{path\} and \{port\}"),
        (
            {"serve": SERVE, "base_url": "http://127.0.0.1:9/v1"},
            "leave out one of them",
        ),
    ],
)
def test_a_server_that_could_not_be_reached_is_refused(
    student: dict[str, str], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message):
        make_config(tree(tmp_path, tmp_path, **student))
