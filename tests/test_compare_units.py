"""A comparison: side by side or one after the other, killed and gone on with, it is the same."""

import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from comparing import files, settings
from crashing import child, ended, running
from teachback.build.task import make_task
from teachback.compare.comparison import run_comparison
from teachback.compare.scheduler import UnitQueue
from teachback.compare.units import make_base_unit, make_units
from teachback.config.reading import make_config
from teachback.errors import ConfigError, TeachbackError

ARMS = ["random", "badge"]


def test_killed_side_by_side_and_resumed_it_is_what_it_is_one_after_the_other(
    tiny: Path, tmp_path: Path
) -> None:
    tree = settings(tmp_path / "killed", tiny, rounds=1)
    pid = child(
        lambda: run_comparison(
            make_config(tree), ARMS, 2, jobs=2, listen=lambda event: None
        )
    )
    selections = [
        tmp_path / f"killed/repeat-0/{arm}/round-00/select.json" for arm in ARMS
    ]
    while not all(path.exists() for path in selections):
        assert running(pid), "it ended before it could be killed"
        time.sleep(0.002)
    os.kill(pid, signal.SIGKILL)
    assert ended(pid) == -signal.SIGKILL
    time.sleep(0.5)  # its children see it at their next breath
    killed = run_comparison(
        make_config(tree), ARMS, 2, jobs=1, listen=lambda event: None
    )
    alone = run_comparison(
        make_config(settings(tmp_path / "alone", tiny, rounds=1)),
        ARMS,
        2,
        jobs=1,
        listen=lambda event: None,
    )
    assert killed == alone
    assert files(tmp_path / "killed") == files(tmp_path / "alone")
    assert alone.split == "test"
    assert [curve.generated for curve in alone.curves] == [(0, 4)] * 4
    assert (
        len({path for path in files(tmp_path / "alone") if path.endswith("test.json")})
        == 4
    )


def test_a_unit_is_handed_out_once_its_base_is_finished_and_others_go_before_it(
    tiny: Path, tmp_path: Path
) -> None:
    config = make_config(settings(tmp_path, tiny))
    bases = [make_base_unit(config, repeat, is_parallel=True) for repeat in range(3)]
    arms = make_units(config, ARMS, 3)
    queue = UnitQueue(sorted([*bases, *arms], key=lambda unit: unit.config.repeat))
    units = [queue.take()]
    thread = threading.Thread(target=lambda: units.append(queue.take()), daemon=True)
    thread.start()
    thread.join(0.1)
    assert units == [bases[0]], "all others come after it"
    queue.mark_finished(bases[0])
    thread.join(10)
    assert units == [bases[0], arms[0]]
    assert [queue.take() for _ in range(3)] == [arms[1], *bases[1:]]
    queue.mark_finished(bases[2])
    assert queue.take() == arms[4], "repeat 1 waits for its base, repeat 2 does not"
    thread = threading.Thread(
        target=lambda: units.append([queue.take() for _ in range(2)][1]), daemon=True
    )
    thread.start()
    thread.join(0.1)
    assert queue.drop_waiting() == 2
    thread.join(10)
    assert units[-1] is None


def test_a_repeat_has_a_test_set_of_its_own_and_the_same_pool(
    tmp_path: Path, tiny: Path
) -> None:
    task = make_config(settings(tmp_path, tiny)).task
    first, second = make_task(task), make_task(task, 1)
    assert (first.seeds, first.dev) == (second.seeds, second.dev)
    first_ids = {example.id for example in first.test}
    assert first_ids.isdisjoint(example.id for example in second.test)
    assert second.test == make_task(task, 1).test
    keys = {second.key(example.question) for example in (*second.seeds, *second.dev)}
    assert keys.isdisjoint(second.key(example.question) for example in second.test)


def test_rows_that_one_has_are_trained_on_first_by_each_arm(
    tmp_path: Path, tiny: Path
) -> None:
    """Then the student that answers the pool is another one in each repeat."""
    config = make_config(settings(tmp_path / "c", tiny, include_seeds=True, rounds=1))
    run_comparison(config, ["random", "loss"], 2, jobs=1, listen=lambda event: None)
    attempts = {
        p.parts[-4:-2]: p.read_bytes()
        for p in (tmp_path / "c").glob("repeat-*/*/round-00/attempt.json")
    }
    assert attempts["repeat-0", "random"] == attempts["repeat-0", "loss"]
    assert attempts["repeat-0", "loss"] != attempts["repeat-1", "loss"]


def test_arms_share_draws_unless_they_are_to_be_independent(
    tmp_path: Path, tiny: Path
) -> None:
    def generate_questions(independent: bool) -> list[dict[str, str]]:
        """Of each arm, by seed; every seed is picked."""
        folder = tmp_path / str(independent)
        arms = ["random", "loss"]
        config = make_config(settings(folder, tiny, rounds=1, per_round=12))
        comparison = run_comparison(
            config, arms, 1, jobs=1, independent=independent, listen=lambda event: None
        )
        assert [curve.generated for curve in comparison.curves] == [(0, 12)] * 2
        questions = []
        for arm in arms:
            path = folder / f"repeat-0/{arm}/round-00/generate.json"
            drafts = json.loads(path.read_text())
            questions.append({draft["seed"]: draft["question"] for draft in drafts})
        return questions

    shared = generate_questions(independent=False)
    own = generate_questions(independent=True)
    assert shared[0] == shared[1]
    assert all(own[0][seed] != own[1][seed] for seed in own[0])


def test_the_total_is_of_comparisons_only(tmp_path: Path, tiny: Path) -> None:
    import teachback

    config = make_config(
        settings(
            tmp_path / "c",
            tiny,
            budget={"generated": 8, "total": {"teacher_tokens": 10}},
        )
    )
    with pytest.raises(ConfigError, match=r"budget\.total limits a comparison"):
        teachback.run(config)
    with pytest.raises(TeachbackError, match=r"budget\.total is spent"):
        run_comparison(config, ["random", "loss"], 1, jobs=1, listen=lambda event: None)
