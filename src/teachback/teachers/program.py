"""A teacher that is a program: it writes a new exercise near the seed and solves it, exactly and
for free.

It is metered as if it were bought: the seed's question is the input and the row the output, both
counted by the student's tokenizer.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from random import Random

from ..errors import ConfigError
from ..ledger.costs import FREE_PRICE, Cost, Usage
from ..ledger.ledger import Ledger
from ..types import Draft, Example, Exercise, Pick, Task
from .metered import record_answer

MAX_EXERCISE_DRAWS = 1000


@dataclass(frozen=True)
class ProgramTeacher:
    task: Task
    # draw(purpose, seed id, k): the generator of the k-th draw.
    draw: Callable[[str, str, int], Random]
    count_tokens: Callable[[str], int]

    def write_exercise(self, seed: Example, n: int) -> Exercise:
        """The n-th exercise for a seed. It is never the seed itself, nor an earlier exercise of
        it.
        """
        if self.task.write is None:
            raise ConfigError(
                f"the task {self.task.name} can't set exercises of its own",
                fix="use another teacher, such as openai",
            )
        keys = {self.task.key(seed.question)}
        for k in range(MAX_EXERCISE_DRAWS):
            exercise = self.task.write(seed, self.draw("teacher", seed.id, k))
            key = self.task.key(exercise.question)
            if key in keys:
                continue
            keys.add(key)
            if len(keys) == n + 2:  # the seed, and exercises 0 to n
                return exercise
        raise ConfigError(
            f"no {n + 1} different exercises near the seed {seed.id} were found in "
            f"{MAX_EXERCISE_DRAWS} tries",
            fix="give more seeds, or lower per_round or rounds",
        )

    def measure_usage(self, seed: Example, exercise: Exercise) -> Usage:
        row_tokens = self.count_tokens(exercise.question) + self.count_tokens(
            exercise.text
        )
        return Usage(self.count_tokens(seed.question), row_tokens)

    def price(self, seed: Example, n: int) -> Cost:
        return FREE_PRICE.of(self.measure_usage(seed, self.write_exercise(seed, n)))


def write_drafts(
    picks: Sequence[Pick],
    seeds: Mapping[str, Example],
    *,
    round: int,
    ledger: Ledger,
    teacher: ProgramTeacher,
    fingerprint: str,
) -> tuple[Draft, ...]:
    """One draft a pick, in order, as far as the budget goes.

    fingerprint: of the program's sources, kept in every draft.
    """
    drafts: list[Draft] = []
    with ledger.group():
        for pick in picks:
            seed = seeds[pick.seed]
            exercise = teacher.write_exercise(seed, pick.n)
            usage = teacher.measure_usage(seed, exercise)
            pair = ledger.reserve(pick.seed, pick.n, round, FREE_PRICE.of(usage))
            if pair is None:
                break
            request = json.dumps({"seed": pick.seed, "n": pick.n}).encode()
            body = json.dumps(exercise._asdict(), ensure_ascii=False)
            record_answer(ledger, pair, request, body, usage)
            calls = (sha256(request).hexdigest(),)
            drafts.append(
                Draft(pick.seed, pick.n, fingerprint, calls, **exercise._asdict())
            )
    return tuple(drafts)
