"""Selection by embeddings: k-center and facility location, each against a peer.

k-center against scikit-activeml's CoreSet: 20,000 rows of 384 numbers, 500 picks,
starting from one labelled row. Facility location against apricot-select: 5,000 of the
rows, 500 picks, cosine similarity with negative values as 0, without weights (apricot
has none). apricot gets the matrix of similarities, and making it is part of its time: its
own metric "cosine" is the cosine squared. It compiles its kernels anew for every
selection. A second selection with kept kernels shows the time without that.

The gate: the same picks in the same order, and the same objective. `ratio`, the peer's
seconds over ours, is the smaller of the two.

Also measured: both criteria at 100,000 seeds of 1,024 numbers and 1,000 picks, seconds
and peak memory. Facility location chooses from 10,000 candidates, which stand for all.
"""

import time
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from importlib.metadata import version
from typing import Any, NamedTuple

import numpy as np

from bench.outcome import Outcome
from bench.process import peak_mib, run_fresh, run_timed, spread
from teachback.criteria.coverage import pick_by_coverage
from teachback.criteria.evidence import Evidence
from teachback.criteria.facility import facility
from teachback.criteria.farthest import pick_farthest
from teachback.criteria.kcenter import kcenter
from teachback.criteria.points import make_vector_points
from teachback.rng import draw
from teachback.types import Example

TARGET = 5.0
REPEATS = 3
SEED = 7
WIDTH = 384
CLUSTERS = 200
LIBRARIES = ("scikit-activeml", "apricot-select", "numba", "numpy")
PEERS = {"kcenter": "scikit_activeml", "facility": "apricot"}
ROWS_AND_PICKS = {"kcenter": (20_000, 500), "facility": (5000, 500)}
QUICK_ROWS_AND_PICKS = {"kcenter": (2000, 50), "facility": (500, 50)}

Array = np.ndarray[Any, Any]
Choose = Callable[[Array, int], list[int]]


class Scale(NamedTuple):
    seeds: int
    width: int
    picks: int
    # Of facility location.
    candidates: int


FULL_SCALE = Scale(100_000, 1024, 1000, 10_000)
QUICK_SCALE = Scale(3000, 64, 50, 500)


class Choice(NamedTuple):
    picks: list[int]
    seconds: float
    rss_mib: float
    objective: float
    # Of a second selection in the same process.
    again_s: float = 0.0


def bench(quick: bool) -> Outcome:
    repeats = 1 if quick else REPEATS
    facts: dict[str, Any] = {
        "work": {
            "width": WIDTH,
            "clusters": CLUSTERS,
            "repeats": REPEATS,
            "seed": SEED,
        },
        "versions_compared": {name: version(name) for name in LIBRARIES},
    }
    same, rss_mib = True, 0.0
    amounts = QUICK_ROWS_AND_PICKS if quick else ROWS_AND_PICKS
    for name, (rows, m) in amounts.items():
        ours, peer = [], []
        for _ in range(repeats):
            ours.append(run_fresh(time_choice, name, "ours", rows, m))
            peer.append(run_fresh(time_choice, name, PEERS[name], rows, m))
        agree = same_choice([*ours, *peer])
        facts[name] = {
            "rows": rows,
            "picks": m,
            "same_picks_and_objective": agree,
            **summarise({"ours": ours, PEERS[name]: peer}, PEERS[name]),
        }
        same = same and agree
        rss_mib = max(rss_mib, *(choice.rss_mib for choice in ours))

    scale = QUICK_SCALE if quick else FULL_SCALE
    facts["scale"] = {name: run_fresh(time_criterion, name, scale) for name in PEERS}
    ratios = {name: facts[name]["ratio"] for name in PEERS}
    smallest = min(ratios.values())
    # The smallest one is the outcome's own ratio.
    missed = [
        f"{name}: ratio {ratio}, target {TARGET:g}"
        for name, ratio in ratios.items()
        if smallest < ratio < TARGET
    ]
    return Outcome(smallest, TARGET, same, rss_mib, facts, missed)


def same_choice(choices: Sequence[Choice]) -> bool:
    first = choices[0]
    return all(
        choice.picks == first.picks
        and abs(choice.objective / first.objective - 1) < 1e-6
        for choice in choices
    )


def summarise(runs: dict[str, list[Choice]], peer: str) -> dict[str, Any]:
    seconds, again, memory, objective = {}, {}, {}, {}
    for name, choices in runs.items():
        seconds[name] = spread([choice.seconds for choice in choices])
        again[name] = spread([choice.again_s for choice in choices])
        memory[name] = round(max(choice.rss_mib for choice in choices))
        objective[name] = choices[0].objective
    return {
        "ratio": round(seconds[peer]["median"] / seconds["ours"]["median"], 2),
        "seconds": seconds,
        "seconds_of_a_second_selection": again,
        "peak_mib": memory,
        "objective": objective,
    }


def make_embeddings(rows: int, width: int, dtype: type = np.float64) -> Array:
    """Clusters that spread more in some directions than in others, as hidden states do."""
    generator = np.random.default_rng(SEED)
    spread_D = (np.arange(1, width + 1) ** -0.5).astype(np.float32)
    centre_C_D = 1.5 * generator.standard_normal((CLUSTERS, width), np.float32)
    x_N_D = generator.standard_normal((rows, width), np.float32)
    x_N_D += centre_C_D[generator.integers(CLUSTERS, size=rows)]
    x_N_D *= spread_D
    return x_N_D.astype(dtype, copy=False)


def time_choice(name: str, contender: str, rows: int, m: int) -> Choice:
    """Warmed up on a few rows, then timed, twice."""
    x_N_D = make_embeddings(rows, WIDTH)
    if name == "facility":
        norm_N_1 = np.linalg.norm(x_N_D, axis=1, keepdims=True)
        x_N_D = (x_N_D / norm_N_1).astype(np.float32)

    choose = CHOOSE[name, contender]
    choose(x_N_D[:300], 5)
    picks, seconds = run_timed(partial(choose, x_N_D, m))
    rss_mib = peak_mib()
    if contender == "apricot":
        keep_apricot_kernels()
        choose(x_N_D[:300], 5)
    again, again_s = run_timed(partial(choose, x_N_D, m))
    assert picks == again
    return Choice(picks, seconds, rss_mib, OBJECTIVE[name](x_N_D, picks), again_s)


def kcenter_with_ours(x_N_D: Array, m: int) -> list[int]:
    return pick_farthest(make_vector_points(x_N_D), m, n_picked=1)


def kcenter_with_scikit_activeml(x_N_D: Array, m: int) -> list[int]:
    from skactiveml.pool import CoreSet

    label_N = np.full(len(x_N_D), np.nan)
    label_N[0] = 0
    picks = CoreSet(random_state=SEED).query(x_N_D, label_N, batch_size=m)
    return [int(i) for i in picks]


def facility_with_ours(unit_N_D: Array, m: int) -> list[int]:
    rows = len(unit_N_D)
    return pick_by_coverage(unit_N_D, np.arange(rows), np.ones(rows, np.float32), m)


def facility_with_apricot(unit_N_D: Array, m: int) -> list[int]:
    """Lazy greedy, its default for this objective."""
    from apricot import FacilityLocationSelection

    similarity_N_N = np.maximum(unit_N_D @ unit_N_D.T, 0)
    selection = FacilityLocationSelection(m, metric="precomputed").fit(similarity_N_N)
    return [int(i) for i in selection.ranking]


def keep_apricot_kernels() -> None:
    """From here on apricot compiles each of its kernels once."""
    import apricot.functions.facilityLocation as module

    module.calculate_gains = lru_cache(module.calculate_gains)
    module.calculate_gains_sieve = lru_cache(module.calculate_gains_sieve)


def radius(x_N_D: Array, picks: list[int]) -> float:
    """The largest distance of any row from its nearest pick."""
    return float(
        make_vector_points(x_N_D).squared_distances_to_nearest([0, *picks]).max() ** 0.5
    )


def covered(unit_N_D: Array, picks: list[int]) -> float:
    """The sum of each row's similarity to its most similar pick."""
    cosine_N_M = unit_N_D.astype(np.float64) @ unit_N_D[picks].T
    return float(cosine_N_M.max(axis=1).clip(0).sum())


def time_criterion(name: str, scale: Scale) -> dict[str, Any]:
    """The criterion itself, in the first round."""
    examples = [Example(f"s{i:06}", "?") for i in range(scale.seeds)]
    candidates = range(scale.seeds)
    if name == "facility":
        candidates = range(0, scale.seeds, scale.seeds // scale.candidates)
    embedding_N_D = make_embeddings(scale.seeds, scale.width, np.float32)
    evidence = Evidence(examples, [], candidates, embedding_N_D=embedding_N_D)
    criterion = {"kcenter": kcenter, "facility": facility}[name]

    started = time.perf_counter()
    picks = criterion(evidence, scale.picks, lambda id: draw(SEED, 0, "select", id, 0))
    seconds = time.perf_counter() - started
    assert len(set(picks)) == scale.picks
    return {
        "seeds": scale.seeds,
        "candidates": len(candidates),
        "width": scale.width,
        "picks": scale.picks,
        "seconds": round(seconds, 2),
        "peak_mib": round(peak_mib()),
    }


CHOOSE: dict[tuple[str, str], Choose] = {
    ("kcenter", "ours"): kcenter_with_ours,
    ("kcenter", "scikit_activeml"): kcenter_with_scikit_activeml,
    ("facility", "ours"): facility_with_ours,
    ("facility", "apricot"): facility_with_apricot,
}
OBJECTIVE = {"kcenter": radius, "facility": covered}
