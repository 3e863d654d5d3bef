"""Splits are made by a hash of the key.

They are disjoint, the same in any order of the file, and as large as asked for.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teachback.errors import DataError
from teachback.tasks.splits import SplitSizes, split_examples, unique_in_hash_order
from teachback.types import Example


def key(question: str) -> str:
    return question.lower()


def made(names: list[str], prefix: str = "e") -> list[Example]:
    return [Example(f"{prefix}{i}", name, "1") for i, name in enumerate(names)]


names = st.lists(st.text("abAB", min_size=1, max_size=3), min_size=1, max_size=30)
sizes = st.integers(0, 4) | st.none()


@given(names, names | st.none(), names | st.none(), sizes, sizes, sizes, st.randoms())
def test_disjoint_and_stable(train, dev, test, n_seeds, n_dev, n_test, rng) -> None:  # type: ignore[no-untyped-def]
    given_rows = made(train), dev and made(dev, "d"), test and made(test, "t")

    def run(train, dev, test):  # type: ignore[no-untyped-def]
        try:
            return split_examples(
                train,
                SplitSizes(n_seeds or None, n_dev, n_test),
                key=key,
                dev=dev,
                test=test,
            )
        except DataError:
            return None

    found = run(*given_rows)
    assert found == run(*(rows and rng.sample(rows, len(rows)) for rows in given_rows))
    if found is None:
        return
    parts = [
        {key(e.question) for e in part} for part in (found.seeds, found.dev, found.test)
    ]
    assert (
        sum(map(len, parts))
        == len(set.union(*parts))
        == len((*found.seeds, *found.dev, *found.test))
    )
    assert len(found.dev) == n_dev or n_dev is None
    assert len(found.test) == n_test or n_test is None
    assert len(found.seeds) == n_seeds or not n_seeds
    if test is not None and n_test is None:
        assert parts[2] == {key(name) for name in test}


def test_another_seed_is_another_split_and_more_seeds_are_more_of_the_same() -> None:
    rows = made([f"q{i}" for i in range(50)])
    few, many = (split_examples(rows, SplitSizes(n, 5, 5), key=key) for n in (10, 20))
    assert many.seeds[:10] == few.seeds
    assert many.dev == few.dev
    assert split_examples(rows, SplitSizes(10, 5, 5), key=key, seed=1).dev != few.dev


def test_only_what_is_measured_on_needs_answers() -> None:
    rows = [
        *made([f"q{i}" for i in range(10)]),
        *(Example(f"n{i}", f"n{i}") for i in range(10)),
    ]
    found = split_examples(rows, SplitSizes(dev=8), key=key)
    assert all(e.answer for e in found.dev)
    assert len(found.seeds) == 12
    with pytest.raises(DataError, match="10 rows of dev have no answer"):
        split_examples(rows, SplitSizes(), key=key, dev=rows[10:])
    with pytest.raises(DataError, match="nothing to evaluate on"):
        split_examples(rows, SplitSizes(), key=key)
    with pytest.raises(DataError, match="no rows are left for seeds"):
        split_examples(rows[:5], SplitSizes(dev=5), key=key)


def test_questions_with_two_answers_are_left_out_and_told() -> None:
    rows = [
        *made([f"q{i}" for i in range(10)]),
        Example("x", "Twice", "1"),
        Example("y", "twice", "2"),
        Example("z", "form", "1,000"),
        Example("w", "FORM", "$1000.0"),
        Example("v", "open", None),
        Example("u", "open", "3"),
    ]
    found = split_examples(rows, SplitSizes(dev=3), key=key)
    questions = {key(e.question) for e in (*found.seeds, *found.dev)}
    assert questions == {*(f"q{i}" for i in range(10)), "form", "open"}
    assert found.notes == (
        "2 rows of the seeds are left out: they answer the same question differently, "
        "such as 'Twice'",
    )
    assert split_examples(rows[:10], SplitSizes(dev=3), key=key).notes == ()
    noted = split_examples(rows[:8], SplitSizes(), key=key, dev=rows[8:12]).notes
    assert [note.partition(" are")[0] for note in noted] == ["2 rows of dev"]


@given(
    st.lists(
        st.builds(
            Example,
            id=st.sampled_from("ij"),
            question=st.sampled_from(["a", "A", "b"]),
            answer=st.sampled_from([None, "1", "1.0", "2"]),
            solution=st.sampled_from([None, "s", "t"]),
            meta=st.dictionaries(st.just("m"), st.integers(0, 1)),
        ),
        max_size=8,
    ),
    st.randoms(),
)
def test_rows_without_ids_of_their_own_come_out_the_same_in_any_order(  # type: ignore[no-untyped-def]
    rows, random
) -> None:
    shuffled = random.sample(rows, len(rows))
    assert unique_in_hash_order(rows, key) == unique_in_hash_order(shuffled, key)
