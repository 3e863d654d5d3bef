"""A teacher that is a program: it sets a new exercise near the seed and solves it, exactly and
for free.

Metered as if bought: the seed's question as input, the row as output, counted by the student's
tokenizer.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from random import Random

from ..errors import ConfigError
from ..ledger.costs import FREE_PRICE, Cost, Usage
from ..ledger.ledger import Ledger
from ..types import Draft, Example, Pick, Task, Written
from .metered import record_answer

TRIES = 1000


@dataclass(frozen=True)
class Program:
    """draw(purpose, seed id, k): the generator of the k-th try. count: tokens of a text."""

    task: Task
    draw: Callable[[str, str, int], Random]
    count: Callable[[str], int]

    def exercise(self, seed: Example, n: int) -> Written:
        """The n-th exercise for a seed: never the seed itself, never one of its earlier
        exercises.
        """
        if self.task.write is None:
            raise ConfigError(
                f"the task {self.task.name} can't set exercises of its own",
                fix="use another teacher, such as openai",
            )
        seen = {self.task.key(seed.question)}
        for k in range(TRIES):
            written = self.task.write(seed, self.draw("teacher", seed.id, k))
            this = self.task.key(written.question)
            if this not in seen:
                seen.add(this)
                if len(seen) == n + 2:
                    return written
        raise ConfigError(
            f"no {n + 1} different exercises near the seed {seed.id} were found in {TRIES} tries",
            fix="give more seeds, or lower per_round or rounds",
        )

    def usage(self, seed: Example, written: Written) -> Usage:
        return Usage(
            self.count(seed.question),
            self.count(written.question) + self.count(written.text),
        )

    def price(self, seed: Example, n: int) -> Cost:
        return FREE_PRICE.of(self.usage(seed, self.exercise(seed, n)))


def write_drafts(
    picks: Sequence[Pick],
    seeds: Mapping[str, Example],
    *,
    round: int,
    ledger: Ledger,
    program: Program,
    prompt: str,
) -> tuple[Draft, ...]:
    """One draft a pick, in order, as far as the budget goes."""
    drafts: list[Draft] = []
    with ledger.group():
        for pick in picks:
            seed = seeds[pick.seed]
            written = program.exercise(seed, pick.n)
            usage = program.usage(seed, written)
            pair = ledger.reserve(pick.seed, pick.n, round, FREE_PRICE.of(usage))
            if pair is None:
                break
            request = json.dumps({"seed": pick.seed, "n": pick.n}).encode()
            record_answer(
                ledger,
                pair,
                request,
                json.dumps(written._asdict(), ensure_ascii=False),
                usage,
            )
            drafts.append(
                Draft(
                    pick.seed,
                    pick.n,
                    prompt,
                    (sha256(request).hexdigest(),),
                    **written._asdict(),
                )
            )
    return tuple(drafts)
