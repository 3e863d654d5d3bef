"""Near-duplicates: found from a true Jaccard of 0.8 on, never below, in batches as in one go."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curating import curate_round, deduplicate, text_task, verdicts
from teachback.curate.near_duplicates import NearDuplicateIndex, word_shingles
from teachback.curate.training_rows import curate_rows, forbidden_keys, make_row_checks
from teachback.curate.words import jaccard
from teachback.types import Row

RANDOM = Random(3)
WORDS = ["".join(RANDOM.choices("abcdefghijklmnop", k=6)) for _ in range(3000)]


def random_words(n: int) -> list[str]:
    return RANDOM.sample(WORDS, n)


def change_last(words: list[str], k: int) -> list[str]:
    """With the last k words changed: of m shingles k are lost and k are new."""
    return [*words[:-k], *(word.upper() + "z" for word in words[-k:])]


@pytest.mark.parametrize(
    ("n", "k", "level"), [(38, 4, 0.8), (47, 5, 0.8), (40, 2, 0.9), (59, 3, 0.9)]
)
def test_what_is_as_alike_as_the_threshold_is_found(
    n: int, k: int, level: float
) -> None:
    pairs = [
        (" ".join(words), " ".join(change_last(words, k)))
        for words in (random_words(n) for _ in range(100))
    ]
    assert all(jaccard(word_shingles(a), word_shingles(b)) == level for a, b in pairs)
    index = NearDuplicateIndex()
    assert not any(
        deduplicate(index, [f"a{i}" for i in range(100)], [a for a, _ in pairs])
    )
    duplicates = list(
        deduplicate(index, [f"b{i}" for i in range(100)], [b for _, b in pairs])
    )
    assert sum(bool(matches) for matches in duplicates) >= 98
    assert all(
        matches == [(f"a{i}", level)] for i, matches in enumerate(duplicates) if matches
    )


def test_what_is_less_alike_stays() -> None:
    pairs = [
        (" ".join(words), " ".join(change_last(words, 5)))
        for words in (random_words(45) for _ in range(200))
    ]
    assert {
        0.79 < jaccard(word_shingles(a), word_shingles(b)) < 0.8 for a, b in pairs
    } == {True}
    index = NearDuplicateIndex()
    assert not any(
        matches for a, b in pairs for matches in deduplicate(index, ["a", "b"], [a, b])
    )


@given(
    st.lists(st.lists(st.sampled_from("abcd"), max_size=8).map(" ".join), max_size=25),
    st.integers(1, 25),
)
def test_batches_of_any_size_find_the_same_and_only_what_is_true(
    texts: list[str], size: int
) -> None:
    names = [str(i) for i in range(len(texts))]
    whole = list(deduplicate(NearDuplicateIndex(), names, texts))
    index = NearDuplicateIndex()
    parts = [range(at, min(at + size, len(texts))) for at in range(0, len(texts), size)]
    in_batches = [
        a
        for part in parts
        for a in deduplicate(index, [names[i] for i in part], [texts[i] for i in part])
    ]
    assert in_batches == whole
    for i, alike in enumerate(whole):
        for name, likeness in alike:
            assert int(name) < i
            assert (
                whole[int(name)] == []
            )  # the first stays, and only what stayed is compared with
            assert (
                likeness
                == jaccard(word_shingles(texts[int(name)]), word_shingles(texts[i]))
                >= 0.8
            )


def test_texts_without_words_are_like_nothing_and_signs_tell_exercises_apart() -> None:
    index = NearDuplicateIndex()
    assert not any(deduplicate(index, ["a", "b", "c"], ["???", "", "???"]))
    assert not any(
        deduplicate(
            index, ["a", "b"], ["Compute 3 - 2 + 5 - 1", "Compute 3 + 2 - 5 - 1"]
        )
    )
    assert [*deduplicate(index, ["c"], ["compute 3-2+5-1!"])] == [[("a", 1.0)]]


def test_a_long_text_is_compared_by_its_beginning() -> None:
    long = " ".join(f"w{i}" for i in range(5000))
    assert [
        bool(a)
        for a in deduplicate(
            NearDuplicateIndex(), ["a", "b"], [f"{long} one end", f"{long} another end"]
        )
    ] == [False, True]


def test_rows_near_a_seed_a_row_or_a_test_question_are_refused_by_name() -> None:
    """The test question is too short for a leak by 13 words."""
    first, second = random_words(20), random_words(12)
    near_test = " ".join(change_last(second, 1))
    task = text_task(seeds=[" ".join(first)], test=[" ".join(second)])
    new = random_words(20)
    rows = [
        " ".join(change_last(first, 1)),
        near_test,
        " ".join(new),
        " ".join(change_last(new, 1)),
    ]
    curation = curate_round(task, rows)
    assert [row.question for row in curation.rows] == [rows[2]]
    assert [x.reason for x in curation.rejected] == [
        "near duplicate: 0.89 like seed s0, in runs of three words",
        "contaminated: 0.82 like test t0, in runs of three words",
        "near duplicate: 0.89 like row x#2, in runs of three words",
    ]


def test_rounds_of_one_run_are_as_one_and_a_step_that_is_tried_again_as_if_for_the_first_time() -> (
    None
):
    texts = [" ".join(random_words(20)) for _ in range(6)]
    texts += [f"{t} more" for t in texts]
    task = text_task(seeds=[" ".join(random_words(20))])
    checks, rows = make_row_checks(task), list[Row]()
    arguments = {"key": task.key, "forbidden": forbidden_keys(task), "checks": checks}
    for at in range(0, 12, 4):
        drafts = verdicts(texts[at : at + 4], at)
        curate_rows(
            drafts, rows, **arguments
        )  # ended by a crash: what it found is not among the rows
        curation = curate_rows(drafts, rows, **arguments)
        assert curation == curate_rows(
            drafts, rows, **arguments | {"checks": make_row_checks(task)}
        )
        rows += curation.rows
    assert [row.question for row in rows] == texts[:6]


def test_a_round_of_near_duplicates_says_what_may_be_the_matter() -> None:
    question = (
        "Ann buys some pears and apples on the market and gives half of all that she has "
        "bought to her brother {}"
    )
    curation = curate_round(
        text_task(["an entirely different question about trains"]),
        [question.format(i) for i in range(8)],
    )
    assert len(curation.rows) == 1
    assert any(
        "7 of 8 questions are near duplicates" in note and "task.templated" in note
        for note in curation.notes
    )
    few = curate_round(
        text_task(["an entirely different question about trains"]),
        [question.format(i) for i in range(3)],
    )
    assert not any("near duplicates" in note for note in few.notes)
