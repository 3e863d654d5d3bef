"""What was selected, and why: by meta field, by score and answer length, and seed by seed."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..report.diagnosis.words import shorten_text
from ..types import Example, Pick
from .charts import ScatterChart, draw_scatter_chart
from .sources import PageRound, PageSources

MAX_RANKED_SEEDS = 20  # of a round
MAX_SHOWN_ROUNDS = 12  # the latest ones
MAX_FIELD_VALUES = 12
MAX_QUESTION_CHARS = 140
OTHER_VALUES = "all others"


@dataclass(frozen=True)
class ValueShare:
    """How often a meta field has a value: among all seeds, and in each group of picks."""

    value: str
    pool: float
    groups: tuple[float, ...]  # the picks of each round, or of each arm


@dataclass(frozen=True)
class FieldSelection:
    field: str
    values: tuple[ValueShare, ...]


@dataclass(frozen=True)
class RankedSeed:
    rank: int  # from 1
    seed: str
    score: str
    tokens: str  # of the student's own answer
    n: int  # how often it was selected before
    by: str
    meta: str
    question: str
    fate: str


@dataclass(frozen=True)
class RoundSelection:
    name: str
    chart: ScatterChart | None  # None: the criterion has no score
    seeds: tuple[RankedSeed, ...]
    n_hidden: int
    notes: tuple[str, ...]

    @property
    def has_members(self) -> bool:
        """Whether several criteria took part."""
        return any(seed.by for seed in self.seeds)

    @property
    def has_questions(self) -> bool:
        return any(seed.question for seed in self.seeds)


@dataclass(frozen=True)
class Selections:
    notes: tuple[str, ...]  # such as why nothing is known of the seeds
    round_columns: tuple[str, ...]
    fields: tuple[FieldSelection, ...]
    rounds: tuple[RoundSelection, ...]
    n_hidden: int  # rounds


def collect_selections(sources: PageSources) -> Selections | None:
    """None before the first selection."""
    if not sources.rounds:
        return None
    shown = sources.rounds[-MAX_SHOWN_ROUNDS:]
    seeds = {seed.id: seed for seed in sources.rows.seeds}
    return Selections(
        notes=sources.rows.notes,
        round_columns=tuple(f"round {done.number}" for done in shown),
        fields=tuple(
            FieldSelection(field, tuple(compare_shares(field, shown, seeds)))
            for field in sources.fields
            if seeds
        ),
        rounds=tuple(show_round(done, seeds) for done in shown),
        n_hidden=len(sources.rounds) - len(shown),
    )


def compare_shares(
    field: str, rounds: Sequence[PageRound], seeds: Mapping[str, Example]
) -> Iterator[ValueShare]:
    pool = Counter(read_meta_value(seed, field) for seed in seeds.values())
    picked = [
        Counter(read_meta_value(seeds[pick.seed], field) for pick in done.chosen.picks)
        for done in rounds
    ]
    return list_value_shares(pool, picked)


def list_value_shares(
    pool: Counter[str], picked: Sequence[Counter[str]]
) -> Iterator[ValueShare]:
    """pool: how many seeds have a value. picked: how many of the picks, in each group of them."""
    common = [value for value, _ in pool.most_common(MAX_FIELD_VALUES)]
    # By length first, so that the number 10 comes after 9.
    for value in sorted(common, key=lambda value: (len(value), value)):
        shares = tuple(share_of(counts, [value]) for counts in picked)
        yield ValueShare(value, share_of(pool, [value]), shares)
    rare = pool.keys() - set(common)
    if rare:
        shares = tuple(share_of(counts, rare) for counts in picked)
        yield ValueShare(OTHER_VALUES, share_of(pool, rare), shares)


def read_meta_value(seed: Example, field: str) -> str:
    return str(seed.meta.get(field))


def share_of(counts: Counter[str], values: Sequence[str] | set[str]) -> float:
    return sum(counts[value] for value in values) / max(1, counts.total())


def show_round(done: PageRound, seeds: Mapping[str, Example]) -> RoundSelection:
    picks = done.chosen.picks
    return RoundSelection(
        name=f"round {done.number}",
        chart=draw_scores(done),
        seeds=tuple(
            rank_seed(pick, done, seeds.get(pick.seed))
            for pick in picks[:MAX_RANKED_SEEDS]
        ),
        n_hidden=max(0, len(picks) - MAX_RANKED_SEEDS),
        notes=done.chosen.notes,
    )


def rank_seed(pick: Pick, done: PageRound, seed: Example | None) -> RankedSeed:
    tokens = done.attempt_tokens.get(pick.seed)
    meta = seed.meta if seed else {}
    return RankedSeed(
        pick.rank + 1,
        pick.seed,
        "–" if pick.score is None else f"{pick.score:.4g}",
        "–" if tokens is None else str(tokens),
        pick.n,
        pick.by or "",
        ", ".join(f"{name} {value}" for name, value in meta.items()),
        shorten_text(seed.question, MAX_QUESTION_CHARS) if seed else "",
        done.fate(pick.seed, pick.n),
    )


def draw_scores(done: PageRound) -> ScatterChart | None:
    """The score of every seed against the length of its answer, with the picks in front."""
    tokens = done.attempt_tokens
    picked = {pick.seed for pick in done.chosen.picks}
    points = [
        (seed in picked, (float(tokens[seed]), score))
        for seed, score in done.chosen.scores
        if seed in tokens
    ]
    if not points:
        return None
    rho = done.chosen.length_rho
    words = f"{len(points)} seeds, {len(picked)} of them selected"
    if rho is not None:
        words += f"; rank correlation of score and length {rho:+.2f}"
    return draw_scatter_chart(
        f"score against answer length, round {done.number}",
        words,
        ("tokens of the student's own answer", "score"),
        [point for is_picked, point in points if is_picked],
        [point for is_picked, point in points if not is_picked],
    )
