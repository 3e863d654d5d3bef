"""A teacher that hands out rows one has: for each pick the nearest row of a reserve, each row
once. A dry run.

Near is the cosine of the base student's mean hidden states. Which rows are gone is read from the
ledger alone: no second record could disagree with it. Metered as if bought: the seed's question
as input, the row as output, counted by the student's tokenizer; it costs no money.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

import numpy as np

from ..errors import ConfigError, DataError
from ..ledger.costs import FREE_PRICE, Cost, Usage
from ..ledger.ledger import Ledger
from ..types import ArrayFile, Draft, Example, Pick, Reserve, Row
from .metered import TEACHER_ROLE, record_answer

# Of a cosine: what lies below is noise of the batches, which must not decide between equal rows.
DECIMALS = 6

Assignments = Mapping[
    tuple[str, int], str
]  # (seed, n) → the id of the row that was handed out for it


@dataclass(frozen=True, eq=False)
class Pool:
    """rows: the reserve, in order of id. unit_R_D: where they lie; seed_unit_D: by id, where the
    seeds lie; all of length 1. count: tokens of a text.
    """

    rows: tuple[Row, ...]
    unit_R_D: np.ndarray[Any, Any]
    seed_unit_D: Mapping[str, np.ndarray[Any, Any]]
    count: Callable[[str], int]

    @cached_property
    def by_id(self) -> Mapping[str, Row]:
        return {row.id: row for row in self.rows}

    @cached_property
    def dearest_first(self) -> Sequence[Row]:
        return sorted(self.rows, key=self.tokens, reverse=True)

    def nearest(self, seed: str, used: Set[str]) -> Row | None:
        """The row nearest to a seed of those that are not used; of equally near ones the first by
        id.
        """
        cosine_R = np.round(self.unit_R_D @ self.seed_unit_D[seed], DECIMALS)
        order = (self.rows[i] for i in np.argsort(-cosine_R, kind="stable"))
        return next((row for row in order if row.id not in used), None)

    def tokens(self, row: Row) -> int:
        return self.count(row.question) + self.count(row.text)

    def usage(self, seed: Example, row: Row) -> Usage:
        return Usage(self.count(seed.question), self.tokens(row))

    def price(self, seed: Example, used: Set[str]) -> Cost:
        """The most that the seed's next pair can cost: which row it gets depends on the picks
        before it.
        """
        dearest = next(
            (self.tokens(row) for row in self.dearest_first if row.id not in used), 0
        )
        return FREE_PRICE.of(Usage(self.count(seed.question), dearest))


def make_pool(
    rows: Sequence[Row],
    seeds: Sequence[Example],
    embedding_N_D: np.ndarray[Any, Any],
    count: Callable[[str], int],
) -> Pool:
    """embedding_N_D: of the seeds, then of the rows, in their order."""
    if len(embedding_N_D) != len(seeds) + len(rows):
        raise DataError(
            "embeddings and rows don't match",
            got=len(embedding_N_D),
            allowed=len(seeds) + len(rows),
        )
    length_N = np.linalg.norm(embedding_N_D.astype(np.float64), axis=1, keepdims=True)
    if not (length_N > 0).all():
        raise DataError(
            "a question's embedding is zero: it is near to nothing",
            got=int((length_N == 0).sum()),
        )
    unit_N_D = embedding_N_D / length_N
    order = sorted(range(len(rows)), key=lambda i: rows[i].id)
    return Pool(
        rows=tuple(rows[i] for i in order),
        unit_R_D=unit_N_D[len(seeds) :][order],
        seed_unit_D={
            seed.id: unit_D for seed, unit_D in zip(seeds, unit_N_D, strict=False)
        },
        count=count,
    )


def keep_unknown_rows(
    rows: Sequence[Row], taken: Mapping[str, str], key: Callable[[str], str]
) -> tuple[tuple[Row, ...], tuple[str, ...]]:
    """The rows that may be handed out, and a note on the others: an exercise that is a seed, in
    dev or test, or comes a second time. taken: the name of each such question ("dev d-7") by
    its key.

    Raises DataError for an id that comes twice, ConfigError when no row is left.
    """
    if twice := [id for id, n in Counter(row.id for row in rows).items() if n > 1]:
        raise DataError(
            "the reserve has ids that occur twice",
            got=", ".join(twice[:5]),
            allowed="ids that occur once",
        )
    known, kept, left_out = dict(taken), list[Row](), Counter[str]()
    for row in rows:
        this = key(row.question)
        if this in known:
            left_out[known[this].split()[0]] += 1
        else:
            known[this] = "repeated"
            kept.append(row)
    why = ", ".join(f"{n} {name}" for name, n in sorted(left_out.items()))
    if not kept:
        raise ConfigError(
            "no row of the reserve is left for the teacher pool",
            got=f"{len(rows)} rows ({why or 'an empty file'})",
            allowed="rows whose questions are not among the seeds, dev and test",
            fix="give other rows in teacher.rows",
        )
    note = (
        f"{len(rows) - len(kept)} of the reserve's {len(rows)} rows are left out: {why}"
    )
    return tuple(kept), (note,) if left_out else ()


def embed_reserve(
    rows: Sequence[Row],
    seeds: Sequence[Example],
    forbidden: Mapping[str, str],
    key: Callable[[str], str],
    n_rows: int | None,
    embed: Callable[[Sequence[tuple[str, str]]], ArrayFile],
) -> Reserve:
    """The rows that may be handed out, at most n_rows of them, with their embeddings.

    n_rows: by a hash of the question's key. embed((id, question) of each): their embeddings.
    Raises as keep_unknown_rows does.
    """

    def hash_question(row: Row) -> str:
        return sha256(key(row.question).encode()).hexdigest()

    kept, notes = keep_unknown_rows(rows, forbidden, key)
    if n_rows is not None:
        kept = tuple(sorted(kept, key=hash_question)[:n_rows])
    items: list[Example | Row] = [*seeds, *kept]
    embedding = embed([(item.id, item.question) for item in items])
    return Reserve(tuple(row.id for row in kept), embedding, notes)


def read_assignments(ledger: Ledger) -> Assignments:
    return {
        (seed, n): json.loads(body)["row"]
        for seed, n, body in ledger.answers(TEACHER_ROLE)
    }


def count_rows_left(ledger: Ledger, pool: Pool) -> int:
    """How many rows no pick has got yet. With none left no round can open."""
    return len(pool.rows) - len(read_assignments(ledger))


def price_picks(ledger: Ledger, pool: Pool, seeds: Sequence[Example]) -> list[Cost]:
    used = {*read_assignments(ledger).values()}
    return [pool.price(seed, used) for seed in seeds]


def assign_rows(
    pool: Pool, picks: Sequence[Pick], handed: Assignments
) -> Iterator[tuple[Pick, Row]]:
    """Each pick with its row, in order, until the reserve is used up.

    A pick that has got a row keeps it.
    """
    used = {*handed.values()}
    for pick in picks:
        had = handed.get((pick.seed, pick.n))
        row = pool.by_id[had] if had is not None else pool.nearest(pick.seed, used)
        if row is None:
            return
        used.add(row.id)
        yield pick, row


def hand_out_rows(
    picks: Sequence[Pick],
    seeds: Mapping[str, Example],
    *,
    round: int,
    ledger: Ledger,
    pool: Pool,
    prompt: str,
) -> tuple[Draft, ...]:
    """One draft a pick, in order, as far as the budget and the reserve go."""
    drafts: list[Draft] = []
    with ledger.group():
        for pick, row in assign_rows(pool, picks, read_assignments(ledger)):
            usage = pool.usage(seeds[pick.seed], row)
            pair = ledger.reserve(pick.seed, pick.n, round, FREE_PRICE.of(usage))
            if pair is None:
                break
            # The row is part of the request: another arm's n-th row of this seed may be one that
            # this arm has used
            request = json.dumps(
                {"seed": pick.seed, "n": pick.n, "row": row.id}
            ).encode()
            body = json.dumps(
                {"row": row.id, "question": row.question, "text": row.text},
                ensure_ascii=False,
            )
            record_answer(ledger, pair, request, body, usage)
            drafts.append(
                Draft(
                    pick.seed,
                    pick.n,
                    prompt,
                    (sha256(request).hexdigest(),),
                    question=row.question,
                    text=row.text,
                )
            )
    return tuple(drafts)
