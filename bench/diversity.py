"""Selection by embeddings: k-center against scikit-activeml's CoreSet, facility location against apricot-select.

k-center: 20,000 rows of 384 numbers, 500 picks, starting from one labelled row. Facility location: 5,000 of them, 500
picks, cosine similarity with what is below 0 counted as 0, no weights (apricot has none). apricot gets the matrix of
similarities, and making it is part of its time: its own metric "cosine" is the cosine squared. It compiles its kernels
anew for every selection; a second one, for which they were kept, says how long it takes without that.

The gate: the same picks in the same order, and the same objective. `ratio`, their seconds / ours, is the smaller one.

Also measured: both criteria at 100,000 seeds of 1,024 numbers and 1,000 picks, seconds and peak memory; facility
location from 10,000 candidates, which stand for all 100,000.
"""

import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib.metadata import version
from typing import Any, NamedTuple

import numpy as np

from bench.against import Outcome, fresh, peak_mib, spread
from teachback.criteria.coverage import coverage
from teachback.criteria.evidence import Evidence
from teachback.criteria.facility import facility
from teachback.criteria.farthest import farthest
from teachback.criteria.kcenter import kcenter
from teachback.criteria.points import vectors
from teachback.rng import draw
from teachback.types import Example

TARGET, REPEATS, SEED = 5.0, 3, 7
WIDTH, CLUSTERS = 384, 200
SCALE, CANDIDATES = (100_000, 1024, 1000), 10_000  # seeds, numbers each, picks
PEERS = {"kcenter": "scikit_activeml", "facility": "apricot"}
ROWS_AND_PICKS = {"kcenter": (20_000, 500), "facility": (5000, 500)}
FEW = {"kcenter": (2000, 50), "facility": (500, 50)}


class Made(NamedTuple):
    """again_s: of a second selection in the same process."""

    picks: list[int]
    seconds: float
    rss_mib: float
    objective: float
    again_s: float = 0.0


def bench(quick: bool) -> Outcome:
    facts: dict[str, Any] = {
        "work": {
            "width": WIDTH,
            "clusters": CLUSTERS,
            "repeats": REPEATS,
            "seed": SEED,
        },
        "versions_compared": {
            name: version(name)
            for name in ("scikit-activeml", "apricot-select", "numba", "numpy")
        },
    }
    same, rss = True, 0.0
    for name, (rows, m) in (FEW if quick else ROWS_AND_PICKS).items():
        runs: dict[str, list[Made]] = {"ours": [], PEERS[name]: []}
        for _ in range(1 if quick else REPEATS):
            for who, made in runs.items():
                made.append(fresh(chosen, name, who, rows, m))
        mine, peers = runs["ours"], runs[PEERS[name]]
        agree = all(made.picks == mine[0].picks for made in [*mine, *peers])
        agree &= all(
            abs(made.objective / mine[0].objective - 1) < 1e-6 for made in peers
        )
        facts[name] = {
            "rows": rows,
            "picks": m,
            "same_picks_and_objective": agree,
            **summary(mine, peers, PEERS[name]),
        }
        same, rss = same and agree, max(rss, *(made.rss_mib for made in mine))
    large = (3000, 64, 50, 500) if quick else (*SCALE, CANDIDATES)
    facts["scale"] = {name: fresh(scale, name, *large) for name in PEERS}
    ratios = {name: facts[name]["ratio"] for name in PEERS}
    ratio = min(ratios.values())
    missed = [
        f"{name}: ratio {one}, target {TARGET:g}"
        for name, one in ratios.items()
        if ratio < one < TARGET
    ]
    return Outcome(ratio, TARGET, same, rss, facts, missed)


def summary(mine: Sequence[Made], peers: Sequence[Made], peer: str) -> dict[str, Any]:
    runs = {"ours": mine, peer: peers}
    seconds = {
        who: spread([made.seconds for made in some]) for who, some in runs.items()
    }
    return {
        "ratio": round(seconds[peer]["median"] / seconds["ours"]["median"], 2),
        "seconds": seconds,
        "seconds_of_a_second_selection": {
            who: spread([made.again_s for made in some]) for who, some in runs.items()
        },
        "peak_mib": {
            who: round(max(made.rss_mib for made in some)) for who, some in runs.items()
        },
        "objective": {who: some[0].objective for who, some in runs.items()},
    }


def embeddings(rows: int, width: int, dtype: type = np.float64) -> np.ndarray[Any, Any]:
    """Clusters, with more spread in some directions than in others, as hidden states have."""
    generator = np.random.default_rng(SEED)
    spread_D = (np.arange(1, width + 1) ** -0.5).astype(np.float32)
    centre_C_D = 1.5 * generator.standard_normal((CLUSTERS, width), np.float32)
    x_N_D = generator.standard_normal((rows, width), np.float32)
    x_N_D += centre_C_D[generator.integers(CLUSTERS, size=rows)]
    x_N_D *= spread_D
    return x_N_D.astype(dtype, copy=False)


def chosen(name: str, who: str, rows: int, m: int) -> Made:
    """Warmed up on a few rows, then timed, twice."""
    x_N_D = embeddings(rows, WIDTH)
    if name == "facility":
        x_N_D = (x_N_D / np.linalg.norm(x_N_D, axis=1, keepdims=True)).astype(
            np.float32
        )
    choose = CHOOSE[name, who]
    choose(x_N_D[:300], 5)
    picks, seconds = timed(choose, x_N_D, m)
    rss = peak_mib()
    if who == "apricot":
        keep_kernels()
        choose(x_N_D[:300], 5)
    again, again_s = timed(choose, x_N_D, m)
    assert picks == again
    return Made(picks, seconds, rss, OBJECTIVE[name](x_N_D, picks), again_s)


def timed(
    choose: Callable[..., list[int]], x_N_D: np.ndarray[Any, Any], m: int
) -> tuple[list[int], float]:
    started = time.perf_counter()
    picks = choose(x_N_D, m)
    return picks, time.perf_counter() - started


def our_kcenter(x_N_D: np.ndarray[Any, Any], m: int) -> list[int]:
    return farthest(vectors(x_N_D), m, used=1)


def core_set(x_N_D: np.ndarray[Any, Any], m: int) -> list[int]:
    from skactiveml.pool import CoreSet

    y_N = np.full(len(x_N_D), np.nan)
    y_N[0] = 0
    return [int(i) for i in CoreSet(random_state=SEED).query(x_N_D, y_N, batch_size=m)]


def our_facility(unit_N_D: np.ndarray[Any, Any], m: int) -> list[int]:
    return coverage(
        unit_N_D, np.arange(len(unit_N_D)), np.ones(len(unit_N_D), np.float32), m
    )


def apricot(unit_N_D: np.ndarray[Any, Any], m: int) -> list[int]:
    """Lazy greedy, its default for this objective."""
    from apricot import FacilityLocationSelection

    similar_N_N = np.maximum(unit_N_D @ unit_N_D.T, 0)
    return [
        int(i)
        for i in FacilityLocationSelection(m, metric="precomputed")
        .fit(similar_N_N)
        .ranking
    ]


def keep_kernels() -> None:
    """From here on apricot compiles each of its kernels once."""
    import apricot.functions.facilityLocation as module

    module.calculate_gains = lru_cache(module.calculate_gains)
    module.calculate_gains_sieve = lru_cache(module.calculate_gains_sieve)


def radius(x_N_D: np.ndarray[Any, Any], picks: list[int]) -> float:
    """The farthest that any row is from what is picked."""
    return float(vectors(x_N_D).nearest([0, *picks]).max() ** 0.5)


def covered(unit_N_D: np.ndarray[Any, Any], picks: list[int]) -> float:
    return float(
        (unit_N_D.astype(np.float64) @ unit_N_D[picks].T).max(axis=1).clip(0).sum()
    )


CHOOSE: dict[tuple[str, str], Callable[..., list[int]]] = {
    ("kcenter", "ours"): our_kcenter,
    ("kcenter", "scikit_activeml"): core_set,
    ("facility", "ours"): our_facility,
    ("facility", "apricot"): apricot,
}
OBJECTIVE = {"kcenter": radius, "facility": covered}


def scale(name: str, seeds: int, width: int, m: int, candidates: int) -> dict[str, Any]:
    """The criterion itself, in the first round."""
    examples = [Example(f"s{i:06}", "?") for i in range(seeds)]
    offered = (
        range(0, seeds, seeds // candidates) if name == "facility" else range(seeds)
    )
    evidence = Evidence(
        examples, [], offered, embedding_N_D=embeddings(seeds, width, np.float32)
    )
    criterion = {"kcenter": kcenter, "facility": facility}[name]
    started = time.perf_counter()
    picks = criterion(evidence, m, lambda id: draw(SEED, 0, "select", id, 0))
    seconds = time.perf_counter() - started
    assert len(set(picks)) == m
    of = {"seeds": seeds, "candidates": len(offered), "width": width, "picks": m}
    return {**of, "seconds": round(seconds, 2), "peak_mib": round(peak_mib())}
