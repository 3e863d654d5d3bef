"""The real `datasets` library reads folders in the form that the Hub serves."""

import json
from pathlib import Path

import pytest

from teachback.build.task import make_task
from teachback.config.reading import make_config
from teachback.errors import DataError
from teachback.tasks import gsm8k, math

pytest.importorskip("datasets", reason="teachback[hub] is not installed")


@pytest.fixture(autouse=True)
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    datasets.disable_progress_bars()


def write(path: Path, rows: list[dict[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def test_any_data_set_with_named_columns(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    for name, n in (("train", 12), ("test", 4)):
        write(
            folder / f"{name}.jsonl",
            [{"q": f"{name} {i}?", "a": f"{i}", "kind": i % 2} for i in range(n)],
        )
    tree = {
        "name": "hub",
        "dataset": str(folder),
        "test": "test",
        "n_dev": 3,
        "question": "q",
        "answer": "a",
    }
    make = {
        "task": {**tree, "by": ["kind"], "grader": "number"},
        "rounds": 1,
        "per_round": 1,
    }
    task = make_task(make_config(make).task)
    assert (len(task.seeds), len(task.dev), len(task.test)) == (9, 3, 4)
    assert task.test[0].question.startswith("test ")
    assert task.test[0].meta == {"kind": int(str(task.test[0].answer)) % 2}
    make["task"] = {**tree, "test": "validation"}
    with pytest.raises(DataError, match=r"can't be read.*\n.*split 'validation'"):
        make_task(make_config(make).task)
    make["task"] = {**tree, "dataset": str(tmp_path / "nowhere")}
    with pytest.raises(DataError, match="can't be read"):
        make_task(make_config(make).task)


def test_gsm8k_in_the_hubs_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for split in ("train", "test"):
        rows = [
            {
                "question": f"{split} {i}?",
                "answer": f"It is <<{i}+1={i + 1}>>{i + 1}.\n#### {i + 1}",
            }
            for i in range(9)
        ]
        write(tmp_path / "gsm" / f"{split}.jsonl", rows)  # type: ignore[arg-type]
    monkeypatch.setattr(gsm8k, "GSM8K_ON_HUB", (str(tmp_path / "gsm"), None))
    task = gsm8k.load_gsm8k(path=None, seeds=4, dev=3, test=None, seed=0)
    one = task.seeds[0]
    assert task.target(one) == f"It is {one.answer}.\nAnswer: {one.answer}"
    assert task.grade(one, str(task.target(one))).outcome == "right"
    assert one.meta == {"n_steps": 1}
    assert len(task.test) == 9


def test_math_in_the_hubs_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    solved = [
        {"problem": f"p {i}", "solution": f"so $\\boxed{{\\frac{{{i}}}{{7}}}}$."}
        for i in range(1, 9)
    ]
    write(
        tmp_path / "a" / "train.jsonl",
        [{**row, "level": "Level 3", "type": "Algebra"} for row in solved],
    )
    rows = [
        {
            "problem": f"t {i}",
            "solution": f"\\boxed{{{i}}}",
            "answer": str(i),
            "unique_id": f"t/{i}",
        }
        for i in range(4)
    ]
    write(
        tmp_path / "b" / "test.jsonl",
        [{**row, "level": 5, "subject": "Geometry"} for row in rows],
    )
    hub = {
        "math_train": (str(tmp_path / "a"), "train"),
        "math500_test": (str(tmp_path / "b"), "test"),
    }
    monkeypatch.setattr(math, "MATH_ON_HUB", hub)
    task = math.load_math(path=None, seeds=4, dev=2, test=None, seed=0)
    one, other = task.seeds[0], task.test[0]
    assert one.answer == f"\\frac{{{one.question[2:]}}}{{7}}"
    assert one.meta == {"level": 3, "subject": "Algebra"}
    assert other.meta == {"level": 5, "subject": "Geometry"}
    assert other.id.startswith("t/")
    assert task.target(one) == one.solution
