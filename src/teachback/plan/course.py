"""How far a run gets when every pair uses the same: the loop's and the ledger's rules, without either.

- A round opens if what its predecessors left pays for the dearest pair of the pool (wire_teachers.affordable).
- A criterion that asks others does so in every round, before its pairs; a round opens if that is paid for too.
- A pair is reserved with its worst case, its hold, when all before it have settled; so a limit closes as soon as
  limit − spent < hold (Ledger.reserve). Then the round ends short, and none opens after it.
- Pairs that the probe bought are met again when their seed is selected: they cost nothing then.
"""

from dataclasses import dataclass, replace
from itertools import count

from ..config.choosing import ReuseConfig
from ..ledger.costs import Budget, Cost

MOST_ROUNDS = (
    1000  # where the plan looks no further: a free teacher may go on without end
)
UNLIMITED, NOTHING = Budget(), Budget(0, 0, 0, 0)
NONE = Cost(0, 0, 0)
KINDS = ("teacher_tokens", "usd", "flops")


@dataclass(frozen=True)
class Terms:
    """What ends a run. accepted: rows wanted, if all are accepted. done: finished rounds, with that many
    picks and accepted rows. spent: what the ledger has committed. probed: pairs in it that the first rounds may meet
    again. reserve: rows that a pool has to hand out."""

    seeds: int
    per_round: int
    rounds: int | None
    reuse_seeds: ReuseConfig = "evenly"
    budget: Budget = UNLIMITED
    accepted: int | None = None
    done: int = 0
    picks: int = 0
    rows: int = 0
    spent: Budget = NOTHING
    probed: int = 0
    reserve: int | None = None

    def only(self, limit: str) -> "Terms":
        """The same with that limit alone."""
        if limit == "accepted":
            return replace(self, budget=UNLIMITED)
        return replace(
            self, accepted=None, budget=Budget(**{limit: getattr(self.budget, limit)})
        )

    @property
    def counted(self) -> "Terms":
        """The same without limits on tokens, money and FLOPs."""
        return replace(self, budget=Budget(self.budget.generated))

    @property
    def open_ended(self) -> bool:
        """Only tokens, money or FLOPs end it."""
        return (self.rounds, self.budget.generated, self.accepted, self.reserve) == (
            None,
        ) * 4 and bool(self.reuse_seeds)


@dataclass(frozen=True)
class Pace:
    """What each pair uses, and holds while it is under way; dearest: the largest hold of the pool, at least `hold`.

    asked: what the criterion's calls of a round use; asking: the most that they can, at least that.
    met: the share of the probe's pairs that are met when their seeds come up: 0, 1, or None for as often as chance
    has it.
    """

    used: Cost
    hold: Cost
    dearest: Cost
    met: float | None = 0
    asked: Cost = NONE
    asking: Cost = NONE


@dataclass(frozen=True)
class Course:
    """pairs and bought: of each round that opened. ended: the limit that ended it, in round `closed`."""

    pairs: tuple[int, ...]
    bought: tuple[int, ...]
    ended: str
    closed: int


def course(terms: Terms, pace: Pace) -> Course:
    pairs, bought = list[int](), list[int]()
    ended: tuple[str, int] | None = None
    for r in count(terms.done):
        spent = spent_by(terms, pace, sum(bought), len(pairs))
        wanted, why = allowance(terms, sum(pairs), spent, pace, r)
        if wanted < 1:
            return Course(tuple(pairs), tuple(bought), *(ended or (why, r)))
        met = min(
            wanted, met_by(terms, pace, len(pairs) + 1) - (sum(pairs) - sum(bought))
        )
        asked = spent_by(terms, pace, sum(bought), len(pairs) + 1)
        new, why = affordable(terms.budget, asked, pace, wanted - met)
        if new < wanted - met:
            ended = ended or (why, r)
        pairs.append(met + new)
        bought.append(new)
    raise AssertionError("unreachable")


def allowance(
    terms: Terms, selected: int, spent: Budget, pace: Pace, r: int
) -> tuple[int, str]:
    """The pairs that the round may have; or 0, and what closed it."""
    pool = terms.seeds if terms.reuse_seeds else terms.seeds - terms.picks - selected
    left = {
        "rounds": (MOST_ROUNDS + terms.done if terms.rounds is None else terms.rounds)
        - r,
        "seeds": pool,
        "rows of the pool": None
        if terms.reserve is None
        else terms.reserve - (spent.generated or 0),
        "generated": None
        if terms.budget.generated is None
        else terms.budget.generated - (spent.generated or 0),
        "accepted": None
        if terms.accepted is None
        else terms.accepted - terms.rows - selected,
    }
    for name, most in left.items():
        if most is not None and most < 1:
            return 0, name
    for kind in KINDS:
        limit = getattr(terms.budget, kind)
        if limit is not None and limit - getattr(spent, kind) < amount(
            pace.dearest + pace.asking, kind
        ):
            return 0, kind
    most = min(n for name, n in left.items() if n is not None and name != "rounds")
    return min(terms.per_round, most), ""


def affordable(
    budget: Budget, spent: Budget, pace: Pace, wanted: int
) -> tuple[int, str]:
    """How many of the pairs can be reserved one after the other; and the limit that cut them short."""
    fit, why = wanted, ""
    for kind in KINDS:
        limit, used = getattr(budget, kind), amount(pace.used, kind)
        if limit is None:
            continue
        left = limit - getattr(spent, kind) - amount(pace.hold, kind)
        fits = 0 if left < 0 else fit if used == 0 else left // used + 1
        if fits < fit:
            fit, why = fits, kind
    return fit, why


def met_by(terms: Terms, pace: Pace, rounds: int) -> int:
    """How many of the probe's pairs are met in the first so many rounds."""
    if pace.met is not None:
        return min(round(pace.met * terms.probed), terms.per_round * rounds)
    share = min(1.0, terms.per_round / terms.seeds)
    missed = (
        (1 - share) ** rounds
        if terms.reuse_seeds is True
        else max(0.0, 1 - share * rounds)
    )
    return round(terms.probed * (1 - missed))


def spent_by(terms: Terms, pace: Pace, bought: int, rounds: int) -> Budget:
    """After so many pairs, and the criterion's calls of so many rounds."""
    more = {
        kind: bought * amount(pace.used, kind) + rounds * amount(pace.asked, kind)
        for kind in KINDS
    }
    return Budget(
        (terms.spent.generated or 0) + bought,
        *((getattr(terms.spent, kind) or 0) + more[kind] for kind in KINDS),
    )


def amount(cost: Cost, kind: str) -> int:
    """0 where it is unknown: then no limit of that kind can be set."""
    return {
        "teacher_tokens": cost.tokens,
        "usd": cost.usd or 0,
        "flops": cost.flops or 0,
    }[kind]
