"""What the arms selected: by meta field, how far they agree, by score and answer length."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from ...pages.charts import ScatterChart
from ...pages.selections import (
    MAX_SHOWN_ROUNDS,
    FieldSelection,
    draw_scores,
    list_value_shares,
    read_meta_value,
)
from ...pages.sources import PageRound, SeedPool
from ...pages.transfers import draw_losses
from .sources import ArmRun, ComparisonSources

MAX_PANELS = 8  # charts of arms after the eighth are left out


@dataclass(frozen=True)
class FieldPicks:
    """The picks by a meta field: of all rounds for each arm, and of each round of an arm."""

    by_arm: FieldSelection
    by_round: tuple[tuple[str, tuple[str, ...], FieldSelection], ...]  # arm, rounds, …


@dataclass(frozen=True)
class OverlapMatrix:
    """Of the seeds that the row's arm picked, the share that the column's picked, too."""

    title: str
    rows: tuple[tuple[str, tuple[float | None, ...]], ...]  # None: with itself
    n_picked: tuple[float, ...]  # distinct seeds of each arm, mean over repeats


@dataclass(frozen=True)
class ArmPicks:
    arms: tuple[str, ...]
    fields: tuple[FieldPicks, ...]
    overlaps: tuple[OverlapMatrix, ...]
    n_seeds: float | None  # of the pool, mean over repeats; None: it is not known
    scores: tuple[ScatterChart, ...]
    n_hidden: int  # arms without a chart, because there are too many

    @property
    def has_scores(self) -> bool:
        return bool(self.scores)


def collect_picks(sources: ComparisonSources) -> ArmPicks:
    pools = [len(pool.seeds) for pool in sources.pools.values() if pool.seeds]
    all_rounds = find_overlaps("in all rounds", sources, collect_seeds)
    first_round = find_overlaps("in the first round", sources, collect_first_seeds)
    return ArmPicks(
        sources.arms,
        tuple(list_field_picks(sources)),
        (first_round, all_rounds),
        fmean(pools) if pools else None,
        tuple(draw_score_panels(sources)),
        max(0, len(sources.arms) - MAX_PANELS),
    )


# -- by meta field -------------------------------------------------------------------------


def list_field_picks(sources: ComparisonSources) -> Iterator[FieldPicks]:
    """Empty where the seeds of some repeat are not known."""
    if not all(pool.seeds for pool in sources.pools.values()):
        return
    baseline = sources.counted_runs(sources.arms[0])[0].reports[0]
    for field in baseline.by:
        counts = {
            arm: count_round_picks(sources.counted_runs(arm), sources.pools, field)
            for arm in sources.arms
        }
        pool = count_pools(sources.pools, field)
        totals = [sum(rounds, Counter[str]()) for rounds in counts.values()]
        yield FieldPicks(
            FieldSelection(field, tuple(list_value_shares(pool, totals))),
            tuple(
                show_arm_rounds(arm, field, pool, rounds)
                for arm, rounds in counts.items()
            ),
        )


def count_pools(pools: Mapping[int, SeedPool], field: str) -> Counter[str]:
    values = Counter[str]()
    for pool in pools.values():
        values.update(read_meta_value(seed, field) for seed in pool.seeds)
    return values


def count_round_picks(
    runs: Sequence[ArmRun], pools: Mapping[int, SeedPool], field: str
) -> list[Counter[str]]:
    """For each round, the picks of all repeats by the field's value."""
    counts = [Counter[str]() for _ in range(max(len(run.rounds) for run in runs))]
    for run in runs:
        seeds = {seed.id: seed for seed in pools[run.place.repeat].seeds}
        for count, done in zip(counts, run.rounds, strict=False):
            count.update(
                read_meta_value(seeds[pick.seed], field) for pick in done.chosen.picks
            )
    return counts


def show_arm_rounds(
    arm: str, field: str, pool: Counter[str], rounds: Sequence[Counter[str]]
) -> tuple[str, tuple[str, ...], FieldSelection]:
    names = [f"round {r}" for r in range(len(rounds))][-MAX_SHOWN_ROUNDS:]
    shares = list_value_shares(pool, rounds[-MAX_SHOWN_ROUNDS:])
    return arm, tuple(names), FieldSelection(field, tuple(shares))


# -- how far they agree --------------------------------------------------------------------


def collect_seeds(run: ArmRun) -> set[str]:
    return {pick.seed for done in run.rounds for pick in done.chosen.picks}


def collect_first_seeds(run: ArmRun) -> set[str]:
    """In the first round all arms choose for the same student."""
    return {pick.seed for pick in run.rounds[0].chosen.picks}


def find_overlaps(
    title: str, sources: ComparisonSources, seeds_of: Callable[[ArmRun], set[str]]
) -> OverlapMatrix:
    picked = {
        arm: [seeds_of(run) for run in sources.counted_runs(arm)]
        for arm in sources.arms
    }

    def share(row: str, column: str) -> float | None:
        if row == column:
            return None
        pairs = zip(picked[row], picked[column], strict=True)
        shares = [len(ours & theirs) / len(ours) for ours, theirs in pairs if ours]
        return fmean(shares) if shares else 0.0

    rows = []
    for row in sources.arms:
        rows.append((row, tuple(share(row, column) for column in sources.arms)))
    sizes = [fmean(map(len, picked[arm])) for arm in sources.arms]
    return OverlapMatrix(title, tuple(rows), tuple(sizes))


# -- charts, one for each arm --------------------------------------------------------------


def draw_score_panels(sources: ComparisonSources) -> Iterator[ScatterChart]:
    """In the last round of the first repeat that counts. An arm without scores has no chart."""
    for arm in sources.arms[:MAX_PANELS]:
        run = sources.counted_runs(arm)[0]
        r = len(run.rounds) - 1
        done = run.rounds[r]
        folder = run.place.folder / f"round-{r:02d}"
        chart = draw_scores(PageRound(r, folder, done.chosen, done.fresh))
        if chart:
            yield replace(chart, title=f"{arm}, round {r}")


def draw_loss_panels(sources: ComparisonSources) -> Iterator[ScatterChart]:
    """The rows of all rounds and repeats beside their seeds."""
    for arm in sources.arms[:MAX_PANELS]:
        transfers = [
            done.transfer for run in sources.counted_runs(arm) for done in run.rounds
        ]
        chart = draw_losses(arm, transfers)
        if chart:
            yield chart
