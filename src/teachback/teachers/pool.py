"""A teacher that hands out rows one has: for each pick the nearest row of a reserve, each row
once. A dry run.

Rows are near by the cosine of the base student's mean hidden states. The ledger alone says which
rows are handed out, so no second record can disagree with it. It is metered as if it were bought:
the seed's question is the input and the row the output, both counted by the student's tokenizer.
It costs no money.
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

# Of a cosine. Smaller differences are noise of the batches, and must not decide between rows that
# are equally near.
COSINE_DECIMALS = 6

# (seed, n) → the id of the row that was handed out for it
Assignments = Mapping[tuple[str, int], str]


@dataclass(frozen=True, eq=False)
class Pool:
    # In order of id.
    rows: tuple[Row, ...]
    # Embeddings of length 1.
    row_unit_R_D: np.ndarray[Any, Any]
    seed_unit_D: Mapping[str, np.ndarray[Any, Any]]
    count_tokens: Callable[[str], int]

    @cached_property
    def row_by_id(self) -> Mapping[str, Row]:
        return {row.id: row for row in self.rows}

    @cached_property
    def longest_first(self) -> Sequence[Row]:
        return sorted(self.rows, key=self.count_row_tokens, reverse=True)

    def find_nearest(self, seed: str, used: Set[str]) -> Row | None:
        """The row nearest to a seed that is not used. Of equally near rows, the first by id."""
        cosine_R = np.round(self.row_unit_R_D @ self.seed_unit_D[seed], COSINE_DECIMALS)
        nearest_first = (self.rows[i] for i in np.argsort(-cosine_R, kind="stable"))
        return next((row for row in nearest_first if row.id not in used), None)

    def count_row_tokens(self, row: Row) -> int:
        return self.count_tokens(row.question) + self.count_tokens(row.text)

    def measure_usage(self, seed: Example, row: Row) -> Usage:
        return Usage(self.count_tokens(seed.question), self.count_row_tokens(row))

    def worst_cost(self, seed: Example, used: Set[str]) -> Cost:
        """The most that the seed's next pair can cost. Which row it gets depends on the picks
        before it.
        """
        lengths = (
            self.count_row_tokens(row)
            for row in self.longest_first
            if row.id not in used
        )
        usage = Usage(self.count_tokens(seed.question), next(lengths, 0))
        return FREE_PRICE.of(usage)


def make_pool(
    rows: Sequence[Row],
    seeds: Sequence[Example],
    embedding_N_D: np.ndarray[Any, Any],
    count_tokens: Callable[[str], int],
) -> Pool:
    """embedding_N_D: of the seeds, then of the rows, in their order. Raises DataError."""
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
        row_unit_R_D=unit_N_D[len(seeds) :][order],
        seed_unit_D={
            seed.id: unit_D for seed, unit_D in zip(seeds, unit_N_D, strict=False)
        },
        count_tokens=count_tokens,
    )


def embed_reserve(
    rows: Sequence[Row],
    seeds: Sequence[Example],
    forbidden: Mapping[str, str],
    key: Callable[[str], str],
    n_rows: int | None,
    embed: Callable[[Sequence[Example | Row]], ArrayFile],
) -> Reserve:
    """The rows that may be handed out, at most n_rows of them, with their embeddings.

    Of more rows, those whose hash of the question's key comes first are kept. embed(questions):
    their embeddings. Raises as keep_unknown_rows does.
    """

    def hash_question(row: Row) -> str:
        return sha256(key(row.question).encode()).hexdigest()

    kept, notes = keep_unknown_rows(rows, forbidden, key)
    if n_rows is not None:
        kept = tuple(sorted(kept, key=hash_question)[:n_rows])
    embedding = embed([*seeds, *kept])
    return Reserve(tuple(row.id for row in kept), embedding, notes)


def keep_unknown_rows(
    rows: Sequence[Row], forbidden: Mapping[str, str], key: Callable[[str], str]
) -> tuple[tuple[Row, ...], tuple[str, ...]]:
    """The rows that may be handed out, and a note on the others.

    Left out are exercises among the seeds, dev or test, and those that come a second time.
    forbidden: by its key, the name of each question of these ("dev d-7"). Raises DataError for
    an id that comes twice, ConfigError when no row is left.
    """
    counts = Counter(row.id for row in rows)
    repeated = [id for id, n in counts.items() if n > 1]
    if repeated:
        raise DataError(
            "the reserve has ids that occur twice",
            got=", ".join(repeated[:5]),
            allowed="ids that occur once",
        )

    name_by_key = dict(forbidden)
    kept = []
    left_out: Counter[str] = Counter()
    # By id, so that the order of the file does not decide which row of an exercise is kept.
    for row in sorted(rows, key=lambda row: row.id):
        row_key = key(row.question)
        if row_key in name_by_key:
            split, *_ = name_by_key[row_key].split()
            left_out[split] += 1
        else:
            name_by_key[row_key] = "repeated"
            kept.append(row)

    why = ", ".join(f"{n} {name}" for name, n in sorted(left_out.items()))
    if not kept:
        raise ConfigError(
            "no row of the reserve is left for the teacher pool",
            got=f"{len(rows)} rows ({why or 'an empty file'})",
            allowed="rows whose questions are not among the seeds, dev and test",
            fix="give other rows in teacher.rows",
        )
    n_left_out = len(rows) - len(kept)
    note = f"{n_left_out} of the reserve's {len(rows)} rows are left out: {why}"
    return tuple(kept), (note,) if left_out else ()


def read_assignments(ledger: Ledger) -> Assignments:
    answers = ledger.answers(TEACHER_ROLE)
    return {(seed, n): json.loads(body)["row"] for seed, n, body in answers}


def count_rows_left(ledger: Ledger, pool: Pool) -> int:
    """The rows that no pick has got yet. With none left no round can open."""
    return len(pool.rows) - len(read_assignments(ledger))


def worst_pool_costs(
    ledger: Ledger, pool: Pool, seeds: Sequence[Example]
) -> list[Cost]:
    used = {*read_assignments(ledger).values()}
    return [pool.worst_cost(seed, used) for seed in seeds]


def assign_rows(
    pool: Pool, picks: Sequence[Pick], assignments: Assignments
) -> Iterator[tuple[Pick, Row]]:
    """Each pick with its row, in order, until the reserve is used up.

    A pick that has got a row keeps it.
    """
    used = {*assignments.values()}
    for pick in picks:
        row_id = assignments.get((pick.seed, pick.n))
        if row_id is None:
            row = pool.find_nearest(pick.seed, used)
        else:
            row = pool.row_by_id[row_id]
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
    fingerprint: str,
) -> tuple[Draft, ...]:
    """One draft a pick, in order, as far as the budget and the reserve go.

    fingerprint: of the file of rows, kept in every draft.
    """
    drafts: list[Draft] = []
    with ledger.group():
        for pick, row in assign_rows(pool, picks, read_assignments(ledger)):
            usage = pool.measure_usage(seeds[pick.seed], row)
            pair = ledger.reserve(pick.seed, pick.n, round, FREE_PRICE.of(usage))
            if pair is None:
                break
            # The row is part of the request, because the n-th row that another arm got for this
            # seed may be one that this arm has used.
            fields = {"seed": pick.seed, "n": pick.n, "row": row.id}
            request = json.dumps(fields).encode()
            answer = {"row": row.id, "question": row.question, "text": row.text}
            body = json.dumps(answer, ensure_ascii=False)
            record_answer(ledger, pair, request, body, usage)
            draft = Draft(
                pick.seed,
                pick.n,
                fingerprint,
                (sha256(request).hexdigest(),),
                question=row.question,
                text=row.text,
            )
            drafts.append(draft)
    return tuple(drafts)
