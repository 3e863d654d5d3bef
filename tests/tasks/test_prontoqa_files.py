"""ProntoQA: splits, and the published files."""

import json
from pathlib import Path
from random import Random

import pytest

from exercises import (
    DATA,
    EXAMPLE,
    accuracy,
    gold,
    made,
    needs_data,
    other,
    parsed,
    shortcut,
)
from teachback.errors import ConfigError, DataError
from teachback.files.json_rows import read_jsonl
from teachback.tasks import prontoqa
from teachback.tasks.ontology import decide_question
from teachback.tasks.prontoqa import load_prontoqa, write_prontoqa
from teachback.tasks.prontoqa_answers import (
    format_proof_answer,
    grade_proof,
    verify_proof,
)
from teachback.tasks.prontoqa_exercises import generate_proof_question
from teachback.types import Example

# ---- loading


def test_generated_splits_are_disjoint_and_keep_their_rows() -> None:
    task = load_prontoqa(path=None, hops=(1, 3), seeds=60, dev=30, test=40, seed=3)
    rows = [*task.seeds, *task.dev, *task.test]
    assert (len(task.seeds), len(task.dev), len(task.test)) == (60, 30, 40)
    assert (
        len({task.key(row.question) for row in rows})
        == len({row.id for row in rows})
        == 130
    )
    assert task.seeds[0].id == "prontoqa-seed-0000"
    assert {row.meta["hops"] for row in rows} == {1, 2, 3}
    more = load_prontoqa(path=None, hops=(1, 3), seeds=70, dev=30, test=50, seed=3)
    assert (more.seeds[:60], more.dev, more.test[:40]) == (
        task.seeds,
        task.dev,
        task.test,
    )
    assert (
        load_prontoqa(path=None, hops=(1, 3), seeds=1, dev=1, test=1, seed=4).seeds
        != task.seeds[:1]
    )
    assert task.exact
    assert task.write is write_prontoqa


def test_a_row_that_another_split_has_is_drawn_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        prontoqa,
        "generate_proof_question",
        lambda hops, rng: generate_proof_question(hops, Random(rng.randrange(16))),
    )
    task = load_prontoqa(path=None, hops=(2, 2), seeds=5, dev=5, test=5, seed=0)
    assert (
        len({task.key(row.question) for row in (*task.seeds, *task.dev, *task.test)})
        == 15
    )


@pytest.mark.parametrize("hops", [(0, 3), (1, 7), (3, 2)])
def test_hops_that_cannot_be_generated_are_refused(hops: tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match="hops"):
        load_prontoqa(path=None, hops=hops, seeds=1, dev=1, test=1, seed=0)


def as_row(example: Example, number: int, **changes: object) -> dict[str, object]:
    fields = {
        "id": f"r{number:03d}",
        "question": example.question,
        "answer": example.answer,
        "solution": example.solution,
    }
    return {
        **fields,
        "meta": {"hops": example.meta["hops"], "ordering": "random"},
        **changes,
    }


def put(folder: Path, rows: list[dict[str, object]]) -> Path:
    (folder / "prontoqa_train.jsonl").write_text(
        "\n".join(map(json.dumps, rows)), encoding="utf-8"
    )
    return folder


def test_a_file_is_split_by_key_whatever_its_order(tmp_path: Path) -> None:
    rows = [as_row(example, i) for i, example in enumerate(made(60, "file"))]
    twins = [as_row(example, 100 + i) for i, example in enumerate(made(20, "file"))]
    sorted_rows = as_row(
        made(1, "in order")[0], 200, meta={"hops": 1, "ordering": "preorder"}
    )
    everything = [*rows, *twins, sorted_rows]
    task = load_prontoqa(
        path=put(tmp_path, everything), hops=(1, 6), seeds=30, dev=10, test=20, seed=0
    )
    assert {row.id for row in (*task.seeds, *task.dev, *task.test)} == {
        row["id"] for row in rows
    }
    Random(0).shuffle(everything)
    again = load_prontoqa(
        path=put(tmp_path, everything), hops=(1, 6), seeds=30, dev=10, test=20, seed=0
    )
    assert (again.seeds, again.dev, again.test) == (task.seeds, task.dev, task.test)
    fewer = load_prontoqa(path=tmp_path, hops=(1, 6), seeds=5, dev=10, test=20, seed=0)
    assert (fewer.seeds, fewer.dev, fewer.test) == (task.seeds[:5], task.dev, task.test)
    assert (
        load_prontoqa(
            path=tmp_path, hops=(1, 6), seeds=30, dev=10, test=20, seed=1
        ).test
        != task.test
    )
    assert all(
        row.meta["hops"] == 2
        for row in load_prontoqa(
            path=tmp_path, hops=(2, 2), seeds=1, dev=1, test=1, seed=0
        ).seeds
    )


def test_too_few_rows_say_how_many_there_are(tmp_path: Path) -> None:
    put(tmp_path, [as_row(example, i) for i, example in enumerate(made(12, "few"))])
    with pytest.raises(DataError, match="12 different ones, 13 wanted"):
        load_prontoqa(path=tmp_path, hops=(1, 6), seeds=11, dev=1, test=1, seed=0)


@pytest.mark.parametrize(
    "bad",
    [
        {"answer": "Yes"},
        {"question": 3},
        {"meta": None},
        {"meta": {"hops": 1}},
        {"solution": None},
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, bad: dict[str, object]) -> None:
    put(tmp_path, [as_row(EXAMPLE, 0), as_row(EXAMPLE, 1, **bad)])
    with pytest.raises(DataError, match="object 2: not a row of ProntoQA"):
        load_prontoqa(path=tmp_path, hops=(1, 6), seeds=1, dev=0, test=0, seed=0)


def test_two_rows_with_one_id_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="same id"):
        load_prontoqa(
            path=put(tmp_path, [as_row(EXAMPLE, 0), as_row(EXAMPLE, 0)]),
            hops=(1, 6),
            seeds=1,
            dev=0,
            test=0,
            seed=0,
        )


def test_jsonl_lines_end_at_line_feeds_only(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_bytes(
        b"\xef\xbb\xbf" + '{"a": "x\u2028y\x85"}\r\n\n  \n{"b": 1.5}'.encode()
    )
    assert read_jsonl(file) == [{"a": "x\u2028y\x85"}, {"b": 1.5}]


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"[1]",
        b"3",
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 1e999}',
        b'"\xff"',
        b'{"a": "\\ud800"}',
        b"[" * 100_000,
    ],
)
def test_jsonl_errors_name_the_file_and_the_line(tmp_path: Path, line: bytes) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_bytes(b'{"a": 1}\n\n' + line + b"\n")
    with pytest.raises(DataError, match=r"rows\.jsonl, line 3"):
        read_jsonl(file)


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"none\.jsonl: can't be read(.|\n)*fix: check the path"
    ):
        read_jsonl(tmp_path / "none.jsonl")


# ---- the published files


def published(name: str, every: int = 1) -> list[Example]:
    rows = read_jsonl(DATA / f"{name}.jsonl")[::every]
    return [prontoqa.read_prontoqa_row(row, name) for row in rows]


@needs_data
@pytest.mark.parametrize(
    ("name", "every"),
    [
        ("prontoqa_train", 30), ("prontoqa_test", 3), ("prontoqa_test_shuffled", 3),
        ("prontoqa_test_long", 3), ("prontoqa_test_branching", 5), ("prontoqa_train_branching", 10),
        ("prontoqa_test_trueontology", 3),
    ],
)  # fmt: skip
def test_published_answers_are_right_and_proofs_of_others_wrong(
    name: str, every: int
) -> None:
    rows = published(name, every)
    assert len(rows) >= 150
    for example, stranger in zip(rows, rows[1:] + rows[:1], strict=True):
        assert (
            grade_proof(example, gold(example)).outcome
            == verify_proof(example.question, gold(example)).outcome
            == "right"
        )
        assert (
            grade_proof(
                example,
                format_proof_answer(str(example.solution), other(example.answer)),
            ).outcome
            == "wrong"
        )
        assert decide_question(parsed(example.question)).hops == example.meta["hops"]
        steps = str(example.solution).split(". ")
        broken = [steps[:-1]]
        if example.meta["hops"] != 1:
            broken.append(steps[:1] + steps[-1:])
        if (
            parsed(stranger.question).query.subject
            != parsed(example.question).query.subject
        ):
            broken.append(str(stranger.solution).split(". "))
        for proof in broken:
            found = grade_proof(
                example, format_proof_answer(". ".join(proof), str(example.answer))
            )
            assert (found.outcome, found.answer_right) == ("wrong", True), proof


@needs_data
def test_published_files_give_their_labels_away() -> None:
    rows = published("prontoqa_test_shuffled")
    assert (
        accuracy(rows, [shortcut(row, Random(i)) for i, row in enumerate(rows)]) == 1.0
    )


@needs_data
def test_published_rows_load() -> None:
    task = load_prontoqa(path=DATA, hops=(1, 3), seeds=800, dev=300, test=300, seed=0)
    keys = [
        {task.key(row.question) for row in split}
        for split in (task.seeds, task.dev, task.test)
    ]
    assert [len(found) for found in keys] == [800, 300, 300]
    assert len(set.union(*keys)) == 1_400
