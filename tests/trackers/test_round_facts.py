"""The facts of a round: what the run's files say, under names that every tracker takes."""

import re
from pathlib import Path

import pytest

from teachback.config.reading import make_config
from teachback.config.tracked_params import list_tracked_params
from teachback.ledger.queries import open_read_only
from teachback.run.history import read_history
from teachback.testing import fake_run
from teachback.trackers.round_facts import (
    MAX_NAME_CHARS,
    add_round,
    make_round_facts,
    name_metrics,
)
from teachback.types import Curation, Rejection, Round
from tracking import expected_metrics, sum_tokens

KEY = "sk-very-secret-0123456789"
ALLOWED_NAME = re.compile(r"[a-z0-9_/]{1,70}")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("facts") / "run"
    fake_run(folder, rounds=2)
    return folder


@pytest.mark.parametrize("step", [0, 1, 2])
def test_metrics_are_those_of_the_files_and_the_ledger(run: Path, step: int) -> None:
    history = read_history(run)
    assert history.baseline
    report = history.rounds[step - 1].report if step else history.baseline
    with open_read_only(run / "ledger.sqlite") as ledger:
        spend = ledger.spend(before_round=step)
    facts = make_round_facts(
        report, spend, history.rounds[:step], given_rows=0, test=None
    )
    metrics = name_metrics(facts)
    assert metrics == pytest.approx({**metrics, **expected_metrics(run, step)})
    assert all(ALLOWED_NAME.fullmatch(name) for name in metrics)
    assert metrics["pairs"] == 4 * step
    assert metrics["rows"] == facts.rows
    of_a_round = {"accepted", "accepted_share", "selected/seeds"}
    assert (of_a_round & metrics.keys()) == (of_a_round if step else set())


def test_spend_is_that_up_to_the_round(run: Path) -> None:
    spent = [sum_tokens(run / "ledger.sqlite", rounds) for rounds in range(3)]
    assert spent[0] < spent[1] < spent[2]


def test_reasons_become_names_that_every_tracker_takes(run: Path) -> None:
    """A reason may come from a teacher's server."""
    finished = read_history(run).rounds[0]
    reasons = [
        "near duplicate: of s1",
        "near duplicate: of s2",
        "HTTP 500",
        "…\x1b[2J",
        "x" * 1000,
    ]
    rejected = tuple(Rejection("s", 0, reason) for reason in reasons)
    fresh = Curation(finished.fresh.rows, rejected)
    metrics = name_metrics(add_round(zero_facts(run), finished_with(finished, fresh)))
    counts = {name: n for name, n in metrics.items() if name.startswith("rejected/")}
    assert counts == {
        "rejected/near_duplicate": 2,
        "rejected/http_500": 1,
        "rejected/2j": 1,
        f"rejected/{'x' * MAX_NAME_CHARS}": 1,
    }


def finished_with(finished: Round, fresh: Curation) -> Round:
    return Round(
        finished.chosen, fresh, finished.transfer, finished.student, finished.report
    )


def zero_facts(run: Path):  # type: ignore[no-untyped-def]
    baseline = read_history(run).baseline
    assert baseline
    with open_read_only(run / "ledger.sqlite") as ledger:
        spend = ledger.spend(before_round=0)
    return make_round_facts(baseline, spend, given_rows=0, test=None)


def test_params_hold_the_config_without_anything_private(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    config = make_config(
        {
            "task": {"name": "prontoqa", "seeds": 8, "dev": 4, "test": 4},
            "student": {"system": f"my key is {KEY}", "serve": "run {path} {port}"},
            "teacher": {
                "name": "openai",
                "base_url": "http://127.0.0.1:9/v1",
                "model": "m",
                "key_env": "MY_KEY",
                "headers": {"x-team": "${MY_KEY}", "x-plain": "hidden-header"},
                "options": {"temperature": 0.5},
            },
            "rounds": 1,
            "per_round": 2,
        }
    )
    params = list_tracked_params(config)
    assert params["teacher.model"] == "m"
    assert params["teacher.options.temperature"] == "0.5"
    assert params["student.system"] == "my key is [key]"
    text = str(params)
    for private in (KEY, "hidden-header", "MY_KEY", "{port}", "run_dir"):
        assert private not in text
