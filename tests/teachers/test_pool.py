"""The pool teacher: which row a pick gets, that none is handed out twice, and that the ledger
alone decides.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from teachback.errors import ConfigError, DataError
from teachback.ledger.costs import Budget, Cost
from teachback.ledger.ledger import Ledger
from teachback.teachers import pool as pools
from teachback.teachers.pool import Pool, assign_rows, keep_unknown_rows
from teachback.types import Draft, Example, Pick, Row

SEEDS = {id: Example(id, f"question of {id}") for id in ("s0", "s1", "s2")}


def row(id: str, question: str = "", words: int = 1) -> Row:
    return Row(
        id, None, 0, question or f"asks {id}", "word " * words, None, verified=False
    )


def make(embedding_N_D: object, ids: Sequence[str], words: Sequence[int] = ()) -> Pool:
    """The seeds lie first; rows of so many words."""
    rows = [
        row(id, words=n) for id, n in zip(ids, words or [1] * len(ids), strict=True)
    ]
    return pools.make_pool(
        rows,
        [*SEEDS.values()],
        np.array(embedding_N_D, np.float32),
        lambda text: len(text.split()),
    )


ANGLES = [0, 90, 180]  # of the three seeds, in degrees


def at(*degrees: float) -> list[list[float]]:
    return [
        [float(np.cos(np.deg2rad(d))), float(np.sin(np.deg2rad(d)))]
        for d in (*ANGLES, *degrees)
    ]


def picks(*seeds: str) -> list[Pick]:
    """In this order; a seed's n-th time is its n-th row."""
    return [Pick(seed, seeds[:i].count(seed), i, None) for i, seed in enumerate(seeds)]


def ids(
    pool: Pool, asked: Sequence[Pick], handed: pools.Assignments | None = None
) -> list[str]:
    return [row.id for _, row in assign_rows(pool, asked, handed or {})]


# -- which row (pure) ------------------------------------------------------------------


def test_the_nearest_unused_row_by_cosine_whatever_its_length() -> None:
    embedding = at(10, 30, 95, 178)
    embedding[5] = [50 * x for x in embedding[5]]  # s2: length does not count
    embedding[3] = [x / 7 for x in embedding[3]]
    pool = make(embedding, ["a", "b", "c", "d"])
    assert ids(pool, picks("s0", "s1", "s0", "s2")) == ["a", "c", "b", "d"]
    assert ids(pool, picks("s0", "s0", "s0")) == ["a", "b", "c"], (
        "then the next nearest"
    )


def test_of_equally_near_rows_the_first_by_id_whatever_the_order_of_the_file() -> None:
    for order in (["b", "c", "a"], ["c", "a", "b"]):
        assert ids(make(at(20, 20, -20), order), picks("s0", "s0", "s0")) == [
            "a",
            "b",
            "c",
        ]


def test_noise_of_the_batches_decides_nothing() -> None:
    embedding = np.array(at(20, 20), np.float32)
    embedding[4] += [1e-7, -1e-7]  # b: nearer to s0 by 7e-8
    pool = make(embedding, ["a", "b"])
    assert (
        pool.row_unit_R_D[1] @ pool.seed_unit_D["s0"]
        > pool.row_unit_R_D[0] @ pool.seed_unit_D["s0"]
    )
    assert ids(pool, picks("s0")) == ["a"]


def reference(pool: Pool, asked: Sequence[Pick]) -> list[str]:
    """The rule, said plainly."""
    free, out = (
        {row.id: unit for row, unit in zip(pool.rows, pool.row_unit_R_D, strict=True)},
        [],
    )
    for pick in asked[: len(free)]:
        seed = pool.seed_unit_D[pick.seed]
        best = max(round(float(seed @ unit), 6) for unit in free.values())
        out.append(
            min(
                id for id, unit in free.items() if abs(float(seed @ unit) - best) < 1e-6
            )
        )
        del free[out[-1]]
    return out


ROUNDS = st.tuples(
    st.lists(
        st.tuples(st.integers(-3, 3), st.integers(1, 3)), min_size=1, max_size=12
    ),  # where the rows lie
    st.lists(st.sampled_from(sorted(SEEDS)), max_size=15),
    st.integers(0, 15),
)


@given(ROUNDS)
def test_any_split_into_rounds_hands_out_the_same_rows_each_once(
    case: tuple[list[list[int]], list[str], int],
) -> None:
    lies, seeds, cut = case
    pool = make([[1, 0], [0, 1], [-1, 0.5], *lies], [f"r{i}" for i in range(len(lies))])
    asked = picks(*seeds)
    whole = ids(pool, asked)
    assert whole == reference(pool, asked)
    assert len({*whole}) == len(whole) == min(len(asked), len(lies))
    first = {
        (pick.seed, pick.n): row.id for pick, row in assign_rows(pool, asked[:cut], {})
    }
    assert ids(pool, asked[cut:], first) == whole[cut:], (
        "what the ledger says was used is all that counts"
    )
    assert ids(pool, asked, first) == whole, "a pick that has got a row keeps it"


def test_a_pick_keeps_its_row_even_if_another_would_be_nearer_now() -> None:
    pool = make(at(10, 30), ["a", "b"])
    assert ids(pool, picks("s1", "s0"), {("s0", 0): "b"}) == ["a", "b"]


# -- the reserve -----------------------------------------------------------------------


def test_the_reserve_is_disjoint_from_what_is_taken_and_from_itself() -> None:
    rows = [
        row("a", "Q1"),
        row("b", "new"),
        row("c", "q2"),
        row("d", "NEW"),
        row("e", "other"),
        row("f", "q3"),
    ]
    kept, notes = keep_unknown_rows(
        rows, {"q1": "seed s", "q2": "dev d", "q3": "dev e"}, str.lower
    )
    assert [r.id for r in kept] == ["b", "e"]
    assert notes == (
        "4 of the reserve's 6 rows are left out: 2 dev, 1 repeated, 1 seed",
    )
    assert keep_unknown_rows(rows[:3], {}, str.lower) == (tuple(rows[:3]), ())


def test_an_empty_reserve_is_refused_with_the_reason() -> None:
    with pytest.raises(
        ConfigError, match=r"no row of the reserve(.|\n)*2 rows \(2 test\)"
    ):
        keep_unknown_rows([row("a", "q"), row("b", "q")], {"q": "test t"}, str.lower)
    with pytest.raises(ConfigError, match="an empty file"):
        keep_unknown_rows([], {}, str.lower)


def test_ids_that_occur_twice_and_embeddings_of_other_rows_are_refused() -> None:
    with pytest.raises(DataError, match="twice"):
        keep_unknown_rows([row("a", "q"), row("a", "p")], {}, str.lower)
    with pytest.raises(DataError, match="don't match"):
        make(at(10), ["a", "b"])
    with pytest.raises(DataError, match="is zero"):
        make([*at(10), [0, 0]], ["a", "b"])


# -- through the ledger ----------------------------------------------------------------


def buy(
    ledger: Ledger, pool: Pool, asked: Sequence[Pick], round: int = 0
) -> tuple[Draft, ...]:
    return pools.hand_out_rows(
        asked, SEEDS, round=round, ledger=ledger, pool=pool, fingerprint="sha"
    )


def test_a_row_is_metered_as_if_bought_and_costs_no_money(tmp_path: Path) -> None:
    pool = make(at(10, 95), ["a", "b"], [5, 7])
    with Ledger(tmp_path / "l.sqlite", budget=Budget(usd=0)) as ledger:
        drafts = buy(ledger, pool, picks("s0", "s1"))
        spend = ledger.spend()
        assert [(d.seed, d.n, d.prompt, d.question, d.text) for d in drafts] == [
            ("s0", 0, "sha", "asks a", "word " * 5),
            ("s1", 0, "sha", "asks b", "word " * 7),
        ]
        assert (
            spend.pairs,
            spend.input_tokens,
            spend.output_tokens,
            spend.held_tokens,
        ) == (
            2,
            3 + 3,
            7 + 9,
            0,
        )
        assert spend.usd == 0


def test_later_rounds_and_starts_never_hand_a_row_out_again(tmp_path: Path) -> None:
    pool, path = make(at(10, 30, 50, 70), ["a", "b", "c", "d"]), tmp_path / "l.sqlite"
    with Ledger(path) as ledger:
        first = buy(ledger, pool, picks("s0", "s0"))
        again = buy(ledger, pool, picks("s0", "s0"))
        assert pools.count_rows_left(ledger, pool) == 2
    with Ledger(path) as ledger:
        assert buy(ledger, pool, picks("s0", "s0")) == again == first, (
            "a kill before the step committed"
        )
        second = buy(
            ledger, pool, [Pick("s0", 2, 0, None), Pick("s1", 0, 1, None)], round=1
        )
        assert ledger.spend().pairs == 4
        assert pools.count_rows_left(ledger, pool) == 0
    assert [d.question for d in (*first, *second)] == [
        "asks a",
        "asks b",
        "asks c",
        "asks d",
    ]


def test_a_kill_between_reserve_and_answer_ends_in_the_same_place(
    tmp_path: Path,
) -> None:
    pool = make(at(10, 30), ["a", "b"])
    with Ledger(tmp_path / "l.sqlite") as ledger:
        assert ledger.reserve("s0", 0, 0, Cost(100, 0, None))
        drafts = buy(ledger, pool, picks("s0", "s0"))
        assert [d.question for d in drafts] == ["asks a", "asks b"]
        assert ledger.spend().held_tokens == 0, "settled"


class Killed(BaseException):
    pass


def test_a_kill_in_the_middle_leaves_no_row_handed_out(tmp_path: Path) -> None:
    pool, path, counted = (
        make(at(10, 30, 50), ["a", "b", "c"]),
        tmp_path / "l.sqlite",
        [],
    )

    def dies(text: str) -> int:
        counted.append(text)
        if text.startswith("asks b"):
            raise Killed
        return 1

    with Ledger(path) as ledger, pytest.raises(Killed):
        buy(ledger, replace(pool, count_tokens=dies), picks("s0", "s0"))
    with Ledger(path) as ledger:
        assert ledger.answers("teacher") == []
        assert [d.question for d in buy(ledger, pool, picks("s0", "s0"))] == [
            "asks a",
            "asks b",
        ]


def test_the_budget_and_the_end_of_the_reserve_cut_a_round_short(
    tmp_path: Path,
) -> None:
    pool = make(at(10, 30, 50), ["a", "b", "c"], [5, 50, 5])  # 3 + 2 + 5 tokens, 55, 10
    with Ledger(tmp_path / "tokens.sqlite", budget=Budget(teacher_tokens=30)) as ledger:
        assert [d.question for d in buy(ledger, pool, picks("s0", "s0", "s0"))] == [
            "asks a"
        ], "no first that fits"
        assert pools.count_rows_left(ledger, pool) == 2
    with Ledger(tmp_path / "reserve.sqlite") as ledger:
        assert len(buy(ledger, pool, picks("s0", "s1", "s2", "s0", "s1"))) == 3
        assert ledger.spend().pairs == 3
        assert pools.count_rows_left(ledger, pool) == 0
        assert buy(ledger, pool, [Pick("s2", 1, 0, None)], round=1) == ()


def test_the_price_is_that_of_the_dearest_row_left(tmp_path: Path) -> None:
    pool = make(at(10, 30, 50), ["a", "b", "c"], [5, 50, 9])
    with Ledger(tmp_path / "l.sqlite") as ledger:
        for n, tokens in enumerate((3 + 2 + 50, 3 + 2 + 50, 3 + 2 + 9, 3)):
            assert pools.worst_pool_costs(ledger, pool, [SEEDS["s0"]]) == [
                Cost(tokens, 0, None)
            ]
            buy(ledger, pool, [Pick("s0", n, 0, None)], round=n)


def test_arms_of_a_comparison_use_the_reserve_each_on_its_own(tmp_path: Path) -> None:
    """Row a is arm A's for s0. Arm B gives it to s1 and must not be served it again for s0."""
    pool, path = make(at(60, 125), ["a", "b"]), tmp_path / "l.sqlite"
    with Ledger(path, arm="A") as ledger:
        buy(ledger, pool, picks("s0", "s1"))
        assert pools.read_assignments(ledger) == {("s0", 0): "a", ("s1", 0): "b"}
    with Ledger(path, arm="B") as ledger:
        assert [d.question for d in buy(ledger, pool, picks("s1", "s0"))] == [
            "asks a",
            "asks b",
        ]
        assert pools.read_assignments(ledger) == {("s1", 0): "a", ("s0", 0): "b"}
        assert ledger.spend_of_all_arms().calls == 4
    with Ledger(path, arm="C") as ledger:
        buy(ledger, pool, picks("s0", "s1"))
        assert pools.read_assignments(ledger) == {("s0", 0): "a", ("s1", 0): "b"}
        assert ledger.spend_of_all_arms().calls == 4, (
            "the same rows for the same seeds are served from arm A"
        )
