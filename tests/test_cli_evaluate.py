"""What `teachback evaluate` prints, keeps, resumes and refuses: of a run, a config, any student."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import teachback
from teachback import api, cli
from teachback.commands import evaluation
from teachback.config.reading import read_config
from teachback.errors import TeachbackError
from teachback.rng import draw
from teachback.run import directory
from teachback.run.directory import Event
from teachback.student import measure as measuring
from teachback.testing import tiny_student
from teachback.types import Report


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Path:
    path = tmp_path_factory.mktemp("evaluate") / "task.yaml"
    path.write_text(
        f"task: {{name: prontoqa, hops: [1, 2], seeds: 6, dev: 70, test: 5}}\n"
        f"student: {{model: {tiny}, max_new_tokens: 6, precision: float32}}\n"
        "per_round: 4\nrounds: 1\nfinetune: {epochs: 1, rows_per_step: 4}\nmachine: {threads: 1}\n",
        encoding="utf-8",
    )
    return path


@pytest.fixture(scope="module")
def run(config: Path) -> Path:
    folder = config.parent / "run"
    teachback.run(read_config(config, run_dir=folder))
    return folder


def evaluate(*args: object) -> Result:
    return CliRunner().invoke(cli.app, ["evaluate", *map(str, args)])


def facts(*args: object) -> dict[str, object]:
    done = evaluate(*args, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def beside(run: Path) -> set[str]:
    return {p.name for p in run.parent.glob("*-evaluate-*")}


def test_a_run_s_students_on_test_are_steps_of_the_run(run: Path) -> None:
    before = beside(run)
    tuned, untuned = facts(run), facts(run, "--base")
    for got, name in ((tuned, "test"), (untuned, "test-baseline")):
        kept = json.loads((run / f"round-00/{name}.json").read_text())
        assert {key: value for key, value in kept.items() if key != "items"} == got
        assert (got["split"], got["n"]) == ("test", 5)
    assert tuned["gold_nll"] != untuned["gold_nll"]
    assert beside(run) == before


def test_dev_of_a_run_is_read_back_and_not_asked_again(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        pytest.fail("the student was asked again")

    monkeypatch.setattr(evaluation, "measure_student", fail)
    for flags, name in (((), "evaluate"), (("--base",), "baseline")):
        kept = json.loads((run / f"round-00/{name}.json").read_text())
        got = facts(run, "--split", "dev", *flags)
        assert got["gold_nll"] == kept["gold_nll"]
        assert got["gold_nll"] is not None, "measured in the run, beside accuracy"


def test_what_is_printed(run: Path) -> None:
    done = evaluate(run, "--split", "dev", "--samples", 2)
    assert done.exit_code == 0, done.output
    assert "dev 0% [0%, 5%] right of 70; gold nll " in done.stdout
    assert " unparsed, 68 truncated" in done.stdout
    assert "of 2 sampled answers: pass@1 0%, pass@2 0%" in done.stdout
    assert "kept in" in done.stderr


def test_other_settings_lie_beside_the_run_each_in_a_folder_of_its_own(
    run: Path,
) -> None:
    before = beside(run)
    first = facts(run, "--n", 3, "--samples", 2, "--temperature", 0.5)
    assert (first["n"], first["samples"], list(first["pass_at"])) == (3, 2, ["1", "2"])  # type: ignore[call-overload]
    [folder] = beside(run) - before
    assert folder.startswith("run-evaluate-test-")
    asked = json.loads((run.parent / folder / "asked.json").read_text())
    assert (asked["n"], asked["samples"], asked["temperature"]) == (3, 2, 0.5)
    report = json.loads((run.parent / folder / "round-00/test.json").read_text())
    assert [item["samples_right"] for item in report["items"]] == [0, 0, 0]
    again = facts(run, "--n", 3, "--samples", 2, "--temperature", 0.5)
    assert again == first
    facts(run, "--n", 3, "--samples", 2)
    assert len(beside(run) - before) == 2


def test_any_student_is_asked_as_the_config_says(
    run: Path, config: Path, tiny: Path, tmp_path: Path
) -> None:
    other = tiny_student(tmp_path / "other", seed=5)
    by_run, by_config = (
        facts(run, "--student", other),
        facts(config, "--student", other, "--run-dir", tmp_path / "x"),
    )
    assert by_run == by_config
    assert by_run["gold_nll"] != facts(run)["gold_nll"]
    base = facts(run, "--base")
    assert (
        facts(run, "--student", tiny)
        == base
        == facts(config, "--run-dir", tmp_path / "x")
    ), "the same student"
    assert len(list(tmp_path.glob("x-evaluate-test-*"))) == 2
    tuned = facts(run, "--student", run / "round-00/finetune/student")
    assert tuned == facts(run)


def test_another_student_in_the_same_folder_is_measured_anew(
    config: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "mine"
    found = []
    for seed in (1, 2):
        tiny_student(folder, seed=seed)
        found.append(
            facts(config, "--student", folder, "--run-dir", tmp_path / "run")[
                "gold_nll"
            ]
        )
    assert found[0] != found[1]


def test_a_config_is_changed_by_set(config: Path, tmp_path: Path) -> None:
    changed = facts(config, "--set", "task.test=7", "--run-dir", tmp_path / "run")
    assert changed["n"] == 7


class Stopped(Exception):
    pass


def test_a_stop_costs_one_shard_and_the_same_call_goes_on(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """70 greedy answers and 140 sampled ones are four shards; it stops after the second."""
    done: list[list[tuple[str, int | None]]] = []
    measure = measuring.measure_questions

    def counted(answer: object, asked: object, samples: object) -> object:
        done.append([(q.id, q.sample) for q in asked])  # type: ignore[attr-defined]
        return measure(answer, asked, samples)  # type: ignore[arg-type]

    def stop(event: Event) -> None:
        if event.kind == "part" and event.done == 128:
            raise Stopped

    def ask(folder: str, **how: object) -> Report:
        settings = read_config(config, run_dir=tmp_path / folder)
        return api.evaluate(settings, split="dev", samples=2, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(directory, "ROWS_PER_SHARD_TINY", 64)
    unbroken = ask("whole")
    monkeypatch.setattr("teachback.student.responder.measure_questions", counted)
    with pytest.raises(Stopped):
        ask("cut", listen=stop)
    assert ask("cut") == unbroken
    assert [len(shard) for shard in done] == [64, 64, 64, 18]
    assert len({question for shard in done for question in shard}) == 210
    monkeypatch.undo()
    assert len({item.gold_nll for item in unbroken.items}) > 1


def test_samples_follow_the_run_s_seed(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: set[tuple[object, ...]] = set()

    def watched(*key: object) -> object:
        drawn.add(key)
        return draw(*key)  # type: ignore[arg-type]

    monkeypatch.setattr(evaluation, "draw", watched)
    api.evaluate(read_config(config, ["seed=3"], tmp_path / "run"), n=2, samples=2)
    assert {key[:3] for key in drawn} == {(3, 0, "sample")}
    assert sorted(key[3:] for key in drawn) == sorted(
        (f"prontoqa-test-000{k}", i) for k in (0, 1) for i in (0, 1)
    )  # type: ignore[type-var]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["RUN", "--split", "train"], "allowed: test or dev"),
        (["RUN", "--n", 6], "allowed: 1 to 5"),
        (["RUN", "--n", 0], "allowed: 1 to 5"),
        (["RUN", "--samples", -1], "allowed: 0 or more"),
        (["RUN", "--temperature", 0.7], "0.7 with 0 samples"),
        (["RUN", "--temperature", 0, "--samples", 2], "allowed: above 0"),
        (["RUN", "--base", "--student", "x"], "leave out one"),
        (["RUN", "--student", "nowhere"], "neither a folder nor a model of the Hub"),
        (["RUN", "--set", "seed=1"], "give its YAML file"),
        (["RUN", "--run-dir", "x"], "give its YAML file"),
        (["nowhere"], "no run in nowhere"),
        (["nowhere.yaml"], "the config nowhere.yaml can't be read"),
    ],
)
def test_wrong_input_is_refused_in_a_sentence(
    args: list[object], said: str, run: Path
) -> None:
    done = evaluate(*(run if a == "RUN" else a for a in args))
    assert isinstance(done.exception, TeachbackError), done.output
    assert said in str(done.exception)
    assert done.exception.exit_code == 2


def test_a_run_without_a_finished_round_has_no_student_yet(
    config: Path, tmp_path: Path
) -> None:
    settings = read_config(config, run_dir=tmp_path / "run")
    with pytest.raises(Stopped):
        teachback.run(settings, listen=lambda event: stop_at(event, "attempt"))
    for args in ([], ["--n", 2]):
        done = evaluate(tmp_path / "run", *args)
        assert "has no finished round" in str(done.exception)
    assert facts(tmp_path / "run", "--base")["n"] == 5


def stop_at(event: Event, step: str) -> None:
    if event.step == step:
        raise Stopped


def test_a_task_without_test_questions_says_so(tmp_path: Path, tiny: Path) -> None:
    seeds = tmp_path / "seeds.jsonl"
    rows = [
        {"id": i, "question": f"What is {i} + 1?", "answer": str(i + 1)}
        for i in range(6)
    ]
    seeds.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    tree = {
        "task": {"name": "jsonl", "seeds": str(seeds), "n_dev": 2, "grader": "number"},
        "student": {"model": str(tiny), "max_new_tokens": 4},
        "per_round": 2,
        "rounds": 1,
        "run_dir": str(tmp_path / "run"),
    }
    with pytest.raises(TeachbackError, match="the task has no test questions"):
        teachback.evaluate(tree)
    assert teachback.evaluate(tree, split="dev").n == 2
