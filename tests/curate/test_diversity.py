"""How unlike each other a round's questions are, and when that is said."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from curating import curate_round, text_task
from teachback.curate.diversity import collapse_note, diversity

RANDOM = Random(5)
SEEDS = [
    " ".join(RANDOM.choices([f"w{i}" for i in range(300)], k=30)) for _ in range(60)
]


def reword(texts: list[str], n: int) -> list[str]:
    """n of them, each with four words changed."""
    reworded = []
    for i in range(n):
        words = texts[i % len(texts)].split()
        for position in RANDOM.sample(range(30), 4):
            words[position] = f"new{i}"
        reworded.append(" ".join(words))
    return reworded


def test_its_ends() -> None:
    assert diversity([]) is diversity(["one"]) is None
    assert diversity(["the same text"] * 3) == 0.0
    assert diversity(["a b c", "d e f", "g h i"]) == 1.0
    assert diversity(["a b c", "a b d", "x y z"]) == 1 - (1 / 3 + 1 / 3 + 0) / 3


def test_a_round_that_repeats_a_few_questions_is_told_and_one_like_the_seeds_is_not() -> (
    None
):
    rows = reword(SEEDS[:3], 30)
    curation = curate_round(text_task(seeds=SEEDS), rows)
    assert curation.diversity is not None
    assert curation.diversity < 0.6
    (note,) = [
        note for note in curation.notes if note.startswith("diversity collapsed to ")
    ]
    assert "of the seeds'" in note
    assert collapse_note(SEEDS[:30], SEEDS[30:]) is None
    assert (
        collapse_note(rows, reword(SEEDS[30:33], 30)) is None
    )  # the seeds are no more diverse
    assert collapse_note(rows[:9], SEEDS) is None  # too few to say so
    assert collapse_note(rows, []) is None


@given(st.lists(st.text("ab ", max_size=12), min_size=2, max_size=12), st.randoms())
def test_it_does_not_depend_on_the_order(texts: list[str], random: Random) -> None:
    shuffled = random.sample(texts, len(texts))
    assert abs((diversity(texts, 8) or 0) - (diversity(shuffled, 8) or 0)) < 1e-12
    assert 0 <= (diversity(texts) or 0) <= 1
