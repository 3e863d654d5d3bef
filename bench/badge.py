"""k-means++ seeding on a classifier's gradients: ours against scikit-activeml's Badge, for 10 and for 50 classes.

10,000 rows of 128 hidden units and their class probabilities, by the class means of other rows, are given to both (to
Badge by a classifier that has them at hand); 200 picks. Badge starts at the longest gradient, and goes on to measure to
the origin as if it were a pick (the paper's code doesn't). Ours draws the first pick by D² from the origin, which then
counts no more.

The gate: along Badge's own picks its chances are those of our D² with the origin among them, to a millionth of their
mean; and the potential that ours leaves (the sum of D² to the nearest pick) is that of k-means++ one pick at a time,
written here: their means over many draws differ by less than three standard errors. `ratio` is Badge's seconds / ours,
for 10 classes.

Also measured: the criterion at 100,000 seeds of 1,024 numbers and 1,000 picks, seconds and peak memory.
"""

import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from statistics import fmean, stdev
from typing import Any, NamedTuple

import numpy as np

from bench.against import Outcome, fresh, peak_mib, spread
from teachback.criteria.badge import badge
from teachback.criteria.evidence import Evidence
from teachback.criteria.points import Points, gradients
from teachback.criteria.seeding import seeding
from teachback.rng import draw
from teachback.types import Example

TARGETS = {10: 200.0, 50: 1000.0}  # classes
WIDTH, LABELLED, SEED = 128, 2000, 7  # hidden units; rows that the class means are of
STANDARD_ERRORS, MILLIONTH = 3.0, 1e-6
Array = np.ndarray[Any, Any]
SCALE = (100_000, 1024, 1000)  # seeds, numbers each, picks


class Made(NamedTuple):
    """One contender's choice. left: the sum of D². off: see `off`."""

    seconds: float
    rss_mib: float
    left: float
    off: float = 0.0


def bench(quick: bool) -> Outcome:
    rows, m, repeats, draws = (1000, 40, 1, 8) if quick else (10_000, 200, 3, 40)
    facts: dict[str, Any] = {
        "work": {
            "rows": rows,
            "hidden": WIDTH,
            "picks": m,
            "repeats": repeats,
            "seed": SEED,
        },
        "versions_compared": {
            name: version(name) for name in ("scikit-activeml", "scikit-learn", "numpy")
        },
    }
    same, rss = True, 0.0
    for classes, target in TARGETS.items():
        our, their = [], []
        for _ in range(repeats):
            our.append(fresh(ours, classes, rows, m))
            their.append(fresh(theirs, classes, rows, m))
        left = fresh(potentials, classes, rows, m, draws)
        facts[f"{classes}_classes"] = one = {
            "target": target,
            **summary(our, their, left),
        }
        same &= abs(one["potential"]["apart_in_standard_errors"]) < STANDARD_ERRORS
        same &= one["badges_chances_off_ours"] < MILLIONTH
        rss = max(rss, *(made.rss_mib for made in our))
    facts["scale"] = fresh(scale, *((2000, 64, 50) if quick else SCALE))
    few, many = (facts[f"{classes}_classes"]["ratio"] for classes in TARGETS)
    missed = (
        [f"50 classes: ratio {many}, target {TARGETS[50]:g}"]
        if many < TARGETS[50]
        else []
    )
    return Outcome(few, TARGETS[10], same, rss, facts, missed)


def summary(
    our: Sequence[Made], their: Sequence[Made], left: dict[str, list[float]]
) -> dict[str, Any]:
    mine, exact = left["ours"], left["one_by_one"]
    error = (stdev(mine) ** 2 / len(mine) + stdev(exact) ** 2 / len(exact)) ** 0.5
    seconds = {
        "ours": spread([one.seconds for one in our]),
        "scikit_activeml": spread([one.seconds for one in their]),
    }
    return {
        "ratio": round(
            seconds["scikit_activeml"]["median"] / seconds["ours"]["median"], 1
        ),
        "seconds": seconds,
        "peak_mib": {
            "ours": round(our[0].rss_mib),
            "scikit_activeml": round(their[0].rss_mib),
        },
        "badges_chances_off_ours": max(one.off for one in their),
        "potential": {
            **{
                name: {"mean": fmean(sums), "stdev": stdev(sums), "draws": len(sums)}
                for name, sums in left.items()
            },
            "apart_in_standard_errors": round((fmean(mine) - fmean(exact)) / error, 2),
            "scikit_activeml": [one.left for one in their],
        },
    }


def work(classes: int, rows: int) -> tuple[Array, Array]:
    """Probabilities p_N_K and hidden_N_D."""
    generator = np.random.default_rng(SEED)
    centre_K_D = 0.3 * generator.standard_normal((classes, WIDTH))
    class_N = generator.integers(classes, size=LABELLED + rows)
    hidden_N_D = np.maximum(
        centre_K_D[class_N] + generator.standard_normal((len(class_N), WIDTH)), 0
    )
    known_N_D, class_N = hidden_N_D[:LABELLED], class_N[:LABELLED]
    mean_K_D = np.stack([known_N_D[class_N == k].mean(axis=0) for k in range(classes)])
    logit_N_K = hidden_N_D[LABELLED:] @ mean_K_D.T - (mean_K_D**2).sum(axis=1) / 2
    p_N_K = np.exp(logit_N_K - logit_N_K.max(axis=1, keepdims=True))
    return p_N_K / p_N_K.sum(axis=1, keepdims=True), hidden_N_D[LABELLED:]


def factors(p_N_K: Array, hidden_N_D: Array) -> Points:
    delta_N_K = p_N_K.copy()
    delta_N_K[np.arange(len(p_N_K)), p_N_K.argmax(axis=1)] -= 1
    return gradients(delta_N_K, hidden_N_D)


def ours(classes: int, rows: int, m: int) -> Made:
    """Warmed up on a few rows."""
    p_N_K, hidden_N_D = work(classes, rows)
    seeding(factors(p_N_K[:500], hidden_N_D[:500]), 20, np.random.default_rng(0))
    started = time.perf_counter()
    picks = seeding(factors(p_N_K, hidden_N_D), m, np.random.default_rng(SEED))
    seconds = time.perf_counter() - started
    return Made(
        seconds, peak_mib(), float(factors(p_N_K, hidden_N_D).nearest(picks).sum())
    )


def theirs(classes: int, rows: int, m: int) -> Made:
    """The same."""
    p_N_K, hidden_N_D = work(classes, rows)
    queried(p_N_K[:500], hidden_N_D[:500], 20)
    started = time.perf_counter()
    picks, chance_M_N = queried(p_N_K, hidden_N_D, m)
    seconds, rss = time.perf_counter() - started, peak_mib()
    points = factors(p_N_K, hidden_N_D)
    return Made(
        seconds, rss, float(points.nearest(picks).sum()), off(points, picks, chance_M_N)
    )


def queried(p_N_K: Array, hidden_N_D: Array, m: int) -> tuple[list[int], Array]:
    """Badge's picks, and the chances that each was drawn by."""
    from skactiveml.base import SkactivemlClassifier
    from skactiveml.pool import Badge

    class Given(SkactivemlClassifier):  # type: ignore[misc, unused-ignore]
        def fit(self, X: Array, y: Array) -> "Given":
            return self

        def predict_proba(self, X: Array, embedded: bool = True) -> tuple[Array, Array]:
            return p_N_K, hidden_N_D

    badge, unknown_N = (
        Badge(clf_embedding_flag_name="embedded", random_state=SEED),
        np.full(len(p_N_K), np.nan),
    )
    classifier = Given(classes=[*range(p_N_K.shape[1])])
    picks, chance_M_N = badge.query(
        hidden_N_D,
        unknown_N,
        classifier,
        fit_clf=False,
        batch_size=m,
        return_utilities=True,
    )
    return [int(i) for i in picks], chance_M_N


def off(points: Points, picks: Sequence[int], chance_M_N: Array) -> float:
    """The largest difference of Badge's chances from those by our D², in means of them, before four of its picks."""
    worst = 0.0
    for k in {1, 2, len(picks) // 2, len(picks) - 1}:
        nearest_N = np.minimum(
            points.squared_N, points.nearest(picks[:k])
        )  # the origin is a pick to it
        theirs_N = np.nan_to_num(chance_M_N[k])  # NaN: picked before
        worst = max(
            worst,
            float(np.abs(theirs_N - nearest_N / nearest_N.sum()).max() * len(theirs_N)),
        )
    return worst


def potentials(classes: int, rows: int, m: int, draws: int) -> dict[str, list[float]]:
    """The sum of D² that each of so many draws leaves, of either algorithm."""
    points = factors(*work(classes, rows))

    def left(
        choose: Callable[[Points, int, np.random.Generator], list[int]], seed: int
    ) -> float:
        return float(
            points.nearest(choose(points, m, np.random.default_rng(seed))).sum()
        )

    mine = [left(seeding, seed) for seed in range(draws)]
    return {
        "ours": mine,
        "one_by_one": [left(one_by_one, draws + seed) for seed in range(draws)],
    }


def one_by_one(points: Points, m: int, generator: np.random.Generator) -> list[int]:
    """k-means++ as it is written down: a pass over all rows for every pick."""
    weight_N, nearest_N = points.squared_N, np.full(len(points.squared_N), np.inf)
    picks: list[int] = []
    while len(picks) < m:
        picks.append(int(generator.choice(len(weight_N), p=weight_N / weight_N.sum())))
        nearest_N = np.minimum(nearest_N, points.nearest(picks[-1:]))
        weight_N = nearest_N
    return picks


def scale(seeds: int, width: int, m: int) -> dict[str, Any]:
    """The criterion itself, on seeds whose gradients are random: of one in ten long, so that some are worth more."""
    generator = np.random.default_rng(SEED)
    gradient_N_M = generator.standard_normal((seeds, width), np.float32)
    gradient_N_M[::10] *= 3
    examples = [Example(f"s{i:06}", "?") for i in range(seeds)]
    evidence = Evidence(examples, [], range(seeds), gradient_N_M=gradient_N_M)
    started = time.perf_counter()
    picks = badge(evidence, m, lambda id: draw(SEED, 0, "select", id, 0))
    seconds = time.perf_counter() - started
    assert len(set(picks)) == m
    return {
        "seeds": seeds,
        "width": width,
        "picks": m,
        "seconds": round(seconds, 2),
        "peak_mib": round(peak_mib()),
    }
