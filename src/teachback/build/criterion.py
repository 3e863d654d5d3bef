"""How seeds are chosen, from the config: the criterion and its rule, and the evidence that it needs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from random import Random
from typing import Any, Literal

from ..config import choosing
from ..config import config as cfg
from ..config.functions import imported
from ..criteria import BLENDS, CRITERIA, DEAR, NEEDS, Criterion, Evidence, rules
from ..criteria.facility import facility
from ..criteria.reward import reward
from ..criteria.select import select
from ..errors import ConfigError, CriterionError, DataError
from ..ledger.costs import Cost
from ..rng import draw
from ..run.directory import Run
from ..student.measure import Samples
from ..types import (
    ArrayFile,
    Attempt,
    Attempts,
    Example,
    Gathered,
    Grade,
    Round,
    Selection,
    Student,
    Task,
)
from .judges import Ask, asking_sources, worst
from .student import Respondent, check_signals

FRESH = 2**20  # draws of one seed in one round, at most: the next round's begin there

SIGNALS = frozenset({"max_nll", "entropy", "gap", "egl"})
ARRAYS = {
    "embeddings": "embedding",
    "gradients": "gradient",
}  # a need, and what comes with the attempts


def make_criterion(given: choosing.CriterionConfig, folder: Path) -> Criterion:
    """folder: where files with functions of one's own are looked for."""
    match given:
        case choosing.Own():
            return Criterion(own(given, folder)[0], given.kind, frozenset(given.needs))
        case choosing.Reward():
            known = CRITERIA["reward"]
            return replace(known, function=partial(reward, prefer=given.prefer))
        case choosing.Facility():
            return weighted(given.weight)
        case choosing.Mixture():
            return blend("mixture", list(given.shares), shares=given.shares)
        case choosing.Bandit():
            return blend("bandit", given.members, explore=given.explore)
        case _:
            return CRITERIA[given.name]


def own(given: choosing.Own, folder: Path) -> tuple[Callable[..., Any], bytes]:
    """A function of one's own and its source, which is part of what the run is."""
    form, example = (
        "(evidence)",
        "return [attempt.n_tokens for attempt in evidence.attempts]",
    )
    if given.kind == "chooser":
        form, example = "(evidence, m, draws)", "return evidence.candidates[:m]"
    return imported(given.function, folder, "criterion.function", form, example)


def criterion_sources(config: cfg.Config) -> dict[str, bytes]:
    """What else decides what is selected: part of what a run is (R3)."""
    given = config.criterion
    return (
        {"criterion": own(given, Path.cwd())[1]}
        if isinstance(given, choosing.Own)
        else asking_sources(config)
    )


def weighted(weight: str | None) -> Criterion:
    known, score = CRITERIA["facility"], None if weight is None else CRITERIA[weight]
    needs = known.needs | (score.needs if score else frozenset())
    return replace(
        known,
        function=partial(facility, weight=score.function if score else None),
        needs=needs,
    )


def blend(
    name: Literal["mixture", "bandit"], names: Sequence[str], **settings: Any
) -> Criterion:
    members = {
        one: weighted("loss") if one == "facility" else CRITERIA[one] for one in names
    }
    needs = frozenset(need for member in members.values() for need in member.needs)
    function: Callable[..., Any] = BLENDS[name]
    return Criterion(partial(function, members=members, **settings), "blend", needs)


def make_rule(given: choosing.RuleConfig | None) -> rules.Rule:
    match given:
        case choosing.Softmax():
            return partial(rules.softmax, temperature=given.temperature)
        case choosing.Stratified():
            return partial(rules.stratified, by=given.by)
        case choosing.Top(name="balanced"):
            return rules.balanced
        case _:
            return rules.top


def check_criterion(config: cfg.Config, task: Task, criterion: Criterion) -> None:
    """What can be seen before anything is asked: that the seeds have what the criterion needs."""
    name = config.criterion.name
    check_signals(config, criterion.needs)
    if config.rule is not None and not criterion.scores:
        raise ConfigError(
            f"the criterion {name} picks the seeds itself",
            got=f"rule: {config.rule.name}",
            fix="leave rule out",
        )
    if isinstance(rule := config.rule, choosing.Stratified):
        lacking = [e.id for e in task.seeds if rule.by not in e.meta]
        if lacking:
            raise DataError(
                f"rule stratified: {len(lacking)} seeds have no {rule.by}",
                got=", ".join(task.seeds[0].meta) or "no meta fields",
                fix="name a field that every seed has, such as a column of the data",
            )
    if unknown := sorted(criterion.needs - set(NEEDS)):
        raise ConfigError(
            f"criterion {name}: unknown needs",
            got=", ".join(unknown),
            allowed=", ".join(NEEDS),
        )
    lacking = (
        [e.id for e in task.seeds if e.answer is None]
        if {"right", "gold"} & criterion.needs
        else []
    )
    if lacking:
        raise DataError(
            f"the criterion {name} needs gold answers, and {len(lacking)} seeds have none",
            got=", ".join(lacking[:5]),
            fix="give the seeds answers, or choose another criterion, such as loss",
        )
    solved = {"gold_nll", "gold_gradients"} & criterion.needs
    lacking = [e.id for e in task.seeds if task.target(e) is None] if solved else []
    if lacking:
        raise DataError(
            f"the criterion {name} needs gold solutions, and {len(lacking)} seeds have none",
            got=", ".join(lacking[:5]),
            fix="give the seeds worked solutions, or choose another criterion, such as loss",
        )
    if config.judge and {"right", "samples"} & criterion.needs:
        raise ConfigError(
            f"the criterion {name} grades the seeds' answers, and here a judge grades: a call for each of them",
            got="task.grader: judge",
            fix="choose a criterion that needs no grades, such as loss, or criterion: {name: judge, …} within a budget",
        )
    few = choosing.subset(
        config.candidates, config.per_round, bool(DEAR & criterion.needs)
    )
    if few is not None and few < config.per_round:
        raise ConfigError(
            "candidates is below per_round",
            got=few,
            allowed=f"{config.per_round} or more",
            fix="candidates: 10x",
        )


@dataclass(frozen=True)
class Choosing:
    """The steps "attempt", "gather" and "select" of a round."""

    config: cfg.Config
    run: Run
    task: Task
    answer: Respondent
    criterion: Criterion
    rule: rules.Rule
    asks: Mapping[str, Ask]

    @cached_property
    def by_id(self) -> dict[str, Example]:
        return {e.id: e for e in self.task.seeds}

    def drawn(self, purpose: str, id: str, n: int) -> Random:
        return draw(self.config.seed, self.config.repeat, purpose, id, n)

    def attempt(self, student: Student, pool: Sequence[Example]) -> Attempts:
        arrays = [name for need, name in ARRAYS.items() if need in self.criterion.needs]
        return self.answer.attempts(student, pool, arrays, self.sketch_seed)

    @property
    def sketch_seed(self) -> int:
        """The same in every round and arm: gradients are compared with one another, and with dev's."""
        return self.drawn("sketch", "", 0).getrandbits(32)

    def gather(
        self, student: Student, attempts: Attempts, past: Sequence[Round], m: int
    ) -> Gathered:
        ids = self.offered(past, m)
        by_id = {a.id: a for a in attempts.rows}
        rows = [(self.by_id[id], by_id[id]) for id in ids]
        examples, needs = [e for e, _ in rows], self.criterion.needs
        gold, dev = (None, None)
        if "gold_gradients" in needs:
            gold, dev = self.answer.gold_gradients(
                student, examples, self.task.dev, self.sketch_seed
            )
        said = {need: ask(rows, len(past)) for need, ask in self.asks.items()}
        return Gathered(
            seeds=tuple(ids),
            right=tuple(self.right(*row) for row in rows) if "right" in needs else (),
            gold_nll=self.answer.gold_nll(student, examples)
            if "gold_nll" in needs
            else (),
            samples=self.samples(student, examples, len(past))
            if "samples" in needs
            else (),
            gold_gradient=gold,
            dev_gradient=dev,
            notes=tuple(note for one in said.values() for note in one.notes),
            **{need: one.values for need, one in said.items()},
        )

    @property
    def own_score(self) -> Callable[[Sequence[Attempt]], Sequence[float]] | None:
        """The criterion's score of any attempts, where their signals are all that it needs; None, too, for the loss."""
        name = self.config.criterion.name
        if (
            name == "loss"
            or name not in CRITERIA
            or not self.criterion.scores
            or self.criterion.needs - SIGNALS
        ):
            return None
        return lambda attempts: self.criterion.score(
            Evidence(
                [Example(a.id, "") for a in attempts], attempts, range(len(attempts))
            )
        )

    def worst(self, past: Sequence[Round]) -> Cost:
        """The most that asking others about the candidates of the next round can cost."""
        seeds = [self.by_id[id] for id in sorted(self.selectable(past))]
        return worst(self.config, self.task, seeds)

    def offered(self, past: Sequence[Round], m: int) -> list[str]:
        """Ids of the seeds that the criterion sees, sorted: all, or a random subset of those that may be selected."""
        dear, setting = bool(DEAR & self.criterion.needs), self.config
        few = choosing.subset(setting.candidates, setting.per_round, dear)
        open_ = sorted(self.selectable(past))
        if few is None:
            return sorted(self.by_id)
        return sorted(
            sorted(
                open_, key=lambda id: self.drawn("candidate", id, len(past)).random()
            )[: max(few, m)]
        )

    def selectable(self, past: Sequence[Round]) -> set[str]:
        return choosing.selectable(
            self.by_id, self.config.reuse_seeds, self.config.per_round, past
        )

    def right(self, seed: Example, attempt: Attempt) -> bool:
        return (
            not attempt.truncated
            and self.task.grade(seed, attempt.text).outcome == "right"
        )

    def samples(
        self, student: Student, seeds: Sequence[Example], round: int
    ) -> tuple[tuple[Grade, ...], ...]:
        k, temperature = sampling(self.config.criterion)
        draws = partial(self.drawn, "samples")
        asked = Samples(k, temperature, lambda id, n: draws(id, round * FRESH + n))
        return self.answer.samples(student, seeds, asked)

    def select(
        self,
        attempts: Attempts,
        gathered: Gathered,
        baseline: float | None,
        past: Sequence[Round],
        m: int,
    ) -> Selection:
        evidence = self.evidence(attempts, gathered, baseline, past)
        drawn = partial(draw, self.config.seed, self.config.repeat)
        name = self.config.criterion.name
        if len(evidence.candidates) < m and gathered.notes:
            raise CriterionError(
                f"the criterion {name} is left with {len(evidence.candidates)} seeds, and the round needs {m}",
                got=gathered.notes[0],
                fix="take a model that keeps to the form of a reply, or state it in your own words: criterion.prompt",
            )
        chosen = select(
            evidence, m, name=name, criterion=self.criterion, draw=drawn, rule=self.rule
        )
        scores = dict(chosen.scores)
        ordered = tuple((e.id, scores[e.id]) for e in self.task.seeds if e.id in scores)
        return replace(chosen, scores=ordered, notes=(*gathered.notes, *chosen.notes))

    def evidence(
        self,
        attempts: Attempts,
        gathered: Gathered,
        baseline: float | None,
        past: Sequence[Round],
    ) -> Evidence:
        place = {a.id: i for i, a in enumerate(attempts.rows)}
        at, open_ = [place[id] for id in gathered.seeds], self.selectable(past)
        judged = zip(
            gathered.seeds,
            gathered.marks or gathered.gaps or [0.0] * len(at),
            strict=True,
        )
        return Evidence(
            seeds=[self.by_id[id] for id in gathered.seeds],
            attempts=[attempts.rows[i] for i in at],
            candidates=[
                i
                for i, (id, verdict) in enumerate(judged)
                if id in open_ and verdict is not None
            ],
            past=past,
            baseline=baseline,
            right=gathered.right,
            gold_nll=gathered.gold_nll,
            samples=gathered.samples,
            reward=gathered.reward,
            marks=gathered.marks,
            gaps=gathered.gaps,
            embedding_N_D=self.array(attempts.embedding, at),
            gradient_N_M=self.array(attempts.gradient, at),
            gold_gradient_N_M=self.array(gathered.gold_gradient),
            dev_gradient_M=self.array(gathered.dev_gradient),
        )

    def array(self, file: ArrayFile | None, at: Sequence[int] | None = None) -> Any:
        if file is None:
            return None
        array = self.run.load_array(file)
        return array if at is None else array[list(at)]


def sampling(given: choosing.CriterionConfig) -> tuple[int, float]:
    """k and the temperature; of members of a blend, the defaults."""
    sampled = (
        given
        if isinstance(given, choosing.Sampled)
        else choosing.Sampled(name="learnability")
    )
    return sampled.samples, sampled.temperature
