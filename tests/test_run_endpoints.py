"""Whole runs against endpoints as they are: advice can be followed, and no file holds the key."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from commands import Done, command
from endpoint_behaviours import BEHAVIOURS
from raw_server import (
    RawRequest,
    RawServer,
    Respond,
    good_response,
    make_response,
    run_raw_server,
)
from teaching import KEY

REFUSAL = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."


@pytest.fixture(scope="module")
def additions(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Path:
    folder = tmp_path_factory.mktemp("additions")
    rows = [
        {"question": f"What is {i * 7 + 3} + {i + 11}?", "answer": str(i * 8 + 14)}
        for i in range(24)
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "questions.jsonl").write_text(text)
    path = folder / "task.yaml"
    path.write_text(
        "task: {name: jsonl, seeds: questions.jsonl, n_dev: 4, n_test: 4, grader: number,"
        " templated: true}\n"
        f"student: {{model: {tiny}, max_new_tokens: 4, precision: float32}}\n"
        "teacher: {name: openai, base_url: 'http://127.0.0.1:9/v1', model: m,"
        " key_env: THE_KEY, in_flight: 1, deadline_s: 2, patience_s: 5, tries: 3}\n"
        "criterion: random\nper_round: 4\nrounds: 1\nbudget: {generated: 4}\n"
        "finetune: {epochs: 1, rows_per_step: 4}\nmachine: {threads: 1}\n",
        encoding="utf-8",
    )
    return path


def go(config: Path, run: Path, server: RawServer, *changes: str) -> Done:
    sets = [f"teacher.base_url={server.base_url}", *changes]
    options = [part for change in sets for part in ("--set", change)]
    return command("run", config, "--run-dir", run, "--yes", *options, THE_KEY=KEY)


def check_no_key(run: Path, *outputs: Done) -> None:
    said = "".join(done.stdout + done.stderr for done in outputs)
    kept = [file.read_bytes() for file in run.rglob("*") if file.is_file()]
    for content in [*kept, said.encode()]:
        for secret in (KEY, KEY[:8], KEY[-8:]):
            assert secret.encode() not in content


@pytest.mark.usefixtures("no_waiting")
def test_what_a_refusal_advises_is_accepted_by_the_same_run(
    additions: Path, tmp_path: Path
) -> None:
    def respond(request: RawRequest) -> bytes:
        if "max_tokens" in json.loads(request.body):
            return make_response({"error": {"message": REFUSAL}}, 400)
        return good_response(request)

    run = tmp_path / "run"
    with run_raw_server(respond) as server:
        first = go(additions, run, server)
        assert first.returncode == 4
        assert REFUSAL in first.stderr
        # Nothing else may change with it.
        other = go(
            additions, run, server, "teacher.cap_field=max_completion_tokens", "seed=5"
        )
        assert other.returncode == 2
        assert "seed" in other.stderr
        second = go(
            additions,
            run,
            server,
            "teacher.cap_field=max_completion_tokens",
            "teacher.options={temperature: 0.5}",
        )
        assert second.returncode == 0, second.stderr
        again = go(additions, run, server, "teacher.cap_field=max_tokens")
    assert again.returncode == 2
    assert "teacher.cap_field: 'max_completion_tokens' → 'max_tokens'" in again.stderr
    config = json.loads((run / "config.json").read_bytes())
    assert config["teacher"]["options"] == {"temperature": 0.5}
    check_no_key(run, first, other, second, again)


@pytest.mark.usefixtures("no_waiting")
def test_a_run_through_every_failure_keeps_no_key(
    additions: Path, tmp_path: Path
) -> None:
    """Each failure that is worth another try comes once, before the first good answer."""
    failures: Iterator[Respond] = iter(
        behaviour.respond
        for behaviour in BEHAVIOURS.values()
        if behaviour.outcome.startswith("down: HTTP 5")
        or behaviour.outcome.startswith("down: HTTP 20")
        or behaviour.state == "in_doubt"
    )
    seen = Counter[str]()

    def respond(request: RawRequest) -> bytes | None:
        failure = next(failures, None)
        seen["failed" if failure else "good"] += 1
        return failure(request) if failure else good_response(request)

    run = tmp_path / "run"
    with run_raw_server(respond) as server:
        done = go(additions, run, server, "teacher.tries=90")
    assert done.returncode == 0, done.stderr
    assert "4 rows generated, 4 accepted" in done.stdout
    assert seen["failed"] >= 25
    check_no_key(run, done)


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize("name", ["key in 401", "key masked", "403", "key in 400"])
def test_a_run_that_ends_with_a_refusal_keeps_no_key(
    additions: Path, tmp_path: Path, name: str
) -> None:
    run = tmp_path / "run"
    with run_raw_server(BEHAVIOURS[name].respond) as server:
        done = go(additions, run, server)
    assert done.returncode == 4
    assert "fix: " in done.stderr
    assert "Traceback" not in done.stderr
    check_no_key(run, done)


@pytest.mark.usefixtures("no_waiting")
def test_the_same_command_gets_past_a_seed_that_is_always_refused(
    additions: Path, tmp_path: Path
) -> None:
    refused: set[str] = set()

    def respond(request: RawRequest) -> bytes | None:
        if not refused:
            refused.add(request.prompt)
        if request.prompt in refused:
            return BEHAVIOURS["403"].respond(request)
        return good_response(request)

    run = tmp_path / "run"
    with run_raw_server(respond) as server:
        codes = [go(additions, run, server).returncode for _ in range(2)]
    assert codes == [4, 0]


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    from teachback.endpoints.retries import RetryPolicy
    from teachback.teachers import client

    monkeypatch.setattr(client, "RETRIES", RetryPolicy(backoff_s=0.0))
