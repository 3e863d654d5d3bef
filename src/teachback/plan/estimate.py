"""All of a plan, from what a pair costs, what ends a run, and what a round asks of the student. Pure functions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from ..ledger.costs import KILO, PICO, Cost
from .course import KINDS, NONE, Course, Pace, Terms, amount, course
from .roles import Holds, Role, used
from .student import Lesson, added, before, disk, memory, rounds
from .values import (
    Case,
    Plan,
    Probed,
    Range,
    Reached,
    RoleBill,
    RoundsBill,
    Size,
    Spending,
    Stop,
    StudentBill,
)

UNIT = {
    "usd": 1 / PICO,
    "flops": KILO,
}  # of the ledger's numbers; the others are counted as they are


@dataclass(frozen=True)
class Facts:
    """What the plan only repeats. free: bytes where the run will lie."""

    run_dir: str
    teacher: str
    endpoints: Mapping[str, str]
    model: str
    size: Size
    method: str
    keep: str
    free: float
    caveats: tuple[str, ...] = ()


@dataclass(frozen=True)
class Teaching:
    """roles: of a pair, with what was expected, if `cases` has it. holds: by case. asks: of a round, beside its pairs;
    asking: the most that these can cost."""

    roles: tuple[Role, ...]
    holds: Mapping[Case, Holds]
    asks: tuple[Role, ...] = ()
    asking: Cost = NONE

    @property
    def all(self) -> tuple[Role, ...]:
        return (*self.asks, *self.roles)

    @property
    def cases(self) -> tuple[Case, ...]:
        return (
            ("low", "high", "expected") if "expected" in self.holds else ("low", "high")
        )

    def pace(self, case: Case) -> Pace:
        """The low case buys where it is cheapest and meets all that the probe bought; the high case the opposite."""
        holds, cost = self.holds[case], used(self.roles, case)
        asks = {"asked": used(self.asks, case), "asking": self.asking}
        if case == "high":
            return Pace(cost, holds.latest, holds.latest, met=0, **asks)
        if case == "low":
            return Pace(cost, holds.cheapest, holds.dearest, met=1, **asks)
        return Pace(cost, holds.middle, holds.dearest, met=None, **asks)

    def courses(self, terms: Terms) -> dict[Case, Course]:
        return {case: course(terms, self.pace(case)) for case in self.cases}


def estimate(
    facts: Facts,
    terms: Terms,
    teaching: Teaching,
    lesson: Lesson,
    probe: Probed | None = None,
) -> Plan:
    full = teaching.courses(terms)
    asked = full if terms.open_ended else teaching.courses(terms.counted)
    return Plan(
        run_dir=facts.run_dir,
        teacher=facts.teacher,
        endpoints=facts.endpoints,
        seeds=terms.seeds,
        per_round=terms.per_round,
        rounds_asked=terms.rounds,
        done=terms.done,
        rounds=round_bills(teaching, asked, terms.done),
        total=bills(teaching, *counts(asked)),
        unpriced=tuple(
            sorted(
                {role.model for role in teaching.all if role.model and unknown(role)}
            )
        ),
        within=within(terms, teaching, full),
        ends={case: c.ended for case, c in full.items()},
        stops=stops(terms, teaching, asked),
        student=student_bill(facts, terms, teaching, lesson, asked),
        probe=probe,
        caveats=facts.caveats,
    )


def unknown(role: Role) -> bool:
    return role.price.input is None or role.price.output is None


def counts(courses: Mapping[Case, Course]) -> tuple[dict[Case, int], dict[Case, int]]:
    """The pairs that are bought, and the rounds."""
    return {case: sum(c.bought) for case, c in courses.items()}, {
        case: len(c.pairs) for case, c in courses.items()
    }


def bills(
    teaching: Teaching, bought: Mapping[Case, int], rounds: Mapping[Case, int]
) -> tuple[RoleBill, ...]:
    asks = (role_bill(role, rounds) for role in teaching.asks)
    return (*asks, *(role_bill(role, bought) for role in teaching.roles))


def role_bill(role: Role, bought: Mapping[Case, int]) -> RoleBill:
    """Of so many pairs, or of so many rounds."""
    usage = {case: role.usage(case) for case in bought}
    costs = {case: role.price.of(usage[case]) for case in bought}
    return RoleBill(
        role.name,
        role.model,
        Range.of({case: role.calls.get(case) * n for case, n in bought.items()}),
        Range.of({case: usage[case].input_tokens * n for case, n in bought.items()}),
        Range.of({case: usage[case].output_tokens * n for case, n in bought.items()}),
        amounts("usd", costs, bought),
        amounts("flops", costs, bought),
    )


def amounts(
    kind: str, costs: Mapping[Case, Cost], bought: Mapping[Case, int]
) -> Range | None:
    """In the units that people use."""
    known = {
        case: value
        for case, cost in costs.items()
        if (value := getattr(cost, kind)) is not None
    }
    if len(known) < len(costs):
        return None
    return Range.of(
        {case: value * bought[case] * UNIT[kind] for case, value in known.items()}
    )


def round_bills(
    teaching: Teaching, courses: Mapping[Case, Course], first: int
) -> tuple[RoundsBill, ...]:
    """Rounds that are alike, one after another, are one entry."""
    most = max(len(c.pairs) for c in courses.values())
    each = [
        tuple((case, at(c.pairs, r), at(c.bought, r)) for case, c in courses.items())
        for r in range(most)
    ]  # what tells rounds apart
    found, r = list[RoundsBill](), first
    for alike, group in groupby(each):
        n = len(list(group))
        bought: dict[Case, int] = {case: bought for case, _, bought in alike}
        pairs = Range.of({case: pairs for case, pairs, _ in alike})
        opened: dict[Case, int] = {case: int(pairs > 0) for case, pairs, _ in alike}
        found.append(
            RoundsBill(
                r, r + n - 1, pairs, Range.of(bought), bills(teaching, bought, opened)
            )
        )
        r += n
    return tuple(found)


def at(counts: Sequence[int], r: int) -> int:
    return counts[r] if r < len(counts) else 0


def within(terms: Terms, teaching: Teaching, full: Mapping[Case, Course]) -> Spending:
    bought, rounds = counts(full)
    pair, asks = (
        {case: used(roles, case) for case in full}
        for roles in (teaching.roles, teaching.asks)
    )

    def range_of(kind: str) -> Range | None:
        more, asked = amounts(kind, pair, bought), amounts(kind, asks, rounds)
        spent = (getattr(terms.spent, kind) or 0) * UNIT[kind]
        return (
            None
            if more is None or asked is None
            else more + asked + Range(spent, spent, spent)
        )

    tokens: dict[Case, float] = {
        case: n * pair[case].tokens + rounds[case] * asks[case].tokens
        for case, n in bought.items()
    }
    pairs, before = terms.spent.generated or 0, terms.spent.teacher_tokens or 0
    return Spending(
        Range.of(bought) + Range(pairs, pairs, pairs),
        Range.of(tokens) + Range(before, before, before),
        range_of("usd"),
        range_of("flops"),
    )


def stops(
    terms: Terms, teaching: Teaching, asked: Mapping[Case, Course]
) -> tuple[Stop, ...]:
    """Each limit that is set, as if it were the only one beside the number of rounds."""
    limits = {**vars(terms.budget), "accepted": terms.accepted}
    return tuple(
        stop(limit, value, terms, teaching, asked)
        for limit, value in limits.items()
        if value is not None
    )


def stop(
    limit: str,
    value: int,
    terms: Terms,
    teaching: Teaching,
    asked: Mapping[Case, Course],
) -> Stop:
    unit, alone = UNIT.get(limit, 1), teaching.courses(terms.only(limit))
    reached = {
        case: Reached(
            c.closed, sum(c.bought), opened=c.closed < terms.done + len(c.pairs)
        )
        for case, c in alone.items()
        if c.ended == limit
    }
    start = terms.rows if limit == "accepted" else getattr(terms.spent, limit) or 0
    each: dict[Case, int] = {
        case: amount(used(teaching.roles, case), limit) if limit in KINDS else 1
        for case in teaching.cases
    }
    asks: dict[Case, int] = {
        case: amount(used(teaching.asks, case), limit) if limit in KINDS else 0
        for case in teaching.cases
    }
    n = {
        case: sum(c.pairs if limit == "accepted" else c.bought)
        for case, c in asked.items()
    }
    rounds = {case: len(c.pairs) for case, c in asked.items()}
    hold = (
        amount(teaching.holds["high"].latest + teaching.asking, limit)
        if limit in KINDS
        else 1
    )

    def enough(pairs: int, rounds: int = 1) -> float:
        return (
            start
            + max(0, pairs - 1) * each["high"]
            + max(0, rounds - 1) * asks["high"]
            + hold
        ) * unit

    return Stop(
        limit,
        value * unit,
        Range.of(
            {
                case: (start + n[case] * each[case] + rounds[case] * asks[case]) * unit
                for case in teaching.cases
            }
        ),
        enough(1),
        enough(min(terms.per_round, terms.seeds)),
        enough(n["high"], rounds["high"]),
        reached.get("low"),
        reached.get("high"),
        reached.get("expected"),
    )


def student_bill(
    facts: Facts,
    terms: Terms,
    teaching: Teaching,
    lesson: Lesson,
    courses: Mapping[Case, Course],
) -> StudentBill:
    start, parameters = before(lesson, terms.done), lesson.parameters
    each = rounds(lesson, courses, terms.done, terms.rows)
    calls = sum(
        sum(c.bought) * sum(role.calls.high for role in teaching.roles)
        + len(c.pairs) * sum(role.calls.high for role in teaching.asks)
        for c in courses.values()
    )
    return StudentBill(
        model=facts.model,
        size=facts.size,
        before=start,
        rounds=each,
        total=added([start, *each]),
        method=facts.method,
        memory=memory(parameters, facts.method),
        disk=disk(
            parameters,
            facts.method,
            facts.keep,
            terms.done + len(each),
            calls / len(courses),
        ),
        free=facts.free,
    )
