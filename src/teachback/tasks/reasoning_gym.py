"""Procedural tasks of reasoning-gym (Stojanovski et al., arXiv 2505.24760), by the name of a dataset.

Questions, answers and their scoring are the library's (gym_answers.py has the exceptions). Where an item comes
without a worked solution, which is all datasets but gsm_symbolic, the rows that the program writes are bare answers.

gsm_symbolic is made from GSM8K *test* questions (median masked 5-shingle Jaccard 0.24 to test, 0.016 to train): a task
of its own. Its rows must never train a student that is tested on GSM8K.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from random import Random

from ..errors import ConfigError, DataError
from ..graders.final import gold, missing
from ..rng import draw
from ..types import Example, Grade, Task, Written
from .gym_answers import MULTILINE, answer_form, is_right, read_answer, same_answer
from .gym_items import KINDS, OPEN, Item, Source, open_source
from .keys import text_key

TRIES = 1000


def load(
    *,
    dataset: str,
    options: Mapping[str, object],
    levels: tuple[int, int] | None,
    seeds: int,
    dev: int,
    test: int,
    seed: int,
    repeat: int = 0,
) -> Task:
    """The task with splits of the given sizes that share no `key`, the levels taken in turn. repeat: of a comparison:
    each has a test set of its own, and the same seeds and dev.

    levels: easiest and hardest, of the splits and of what the program writes; None: the first three, where the dataset
    has a curriculum. options go before what a level would set. Raises ConfigError for a dataset, options or levels
    that can't be, and where too few different items are found.

    `templated`: by construction rows share their words with test (93 % of gsm_symbolic's have eight words in a row of
    one of 300 held-out items, numbers masked), so that only `key` can tell. `exact` is False: without gold, `verify`
    can only tell that there is an answer. A row of the program teacher is checked against the program's own.
    """
    source = open_source(dataset, options, levels)
    drawn = _splits(source, {"test": test, "dev": dev, "seed": seeds}, seed, repeat)
    items = {
        text_key(item.example.question): item
        for split in drawn.values()
        for item in split
    }
    examples = {
        split: tuple(item.example for item in rows) for split, rows in drawn.items()
    }
    multiline = dataset in MULTILINE
    by = (
        ("level",)
        if None not in source.datasets
        else ("steps",)
        if dataset == "gsm_symbolic"
        else ()
    )
    return Task(
        name=f"reasoning_gym/{dataset}",
        seeds=examples["seed"],
        dev=examples["dev"],
        test=examples["test"],
        prompt=partial(prompt, multiline),
        target=partial(target, multiline),
        grade=partial(grade, source, items),
        verify=partial(verify, multiline),
        exact=False,
        key=text_key,
        write=None
        if dataset in OPEN
        else Writer(source, multiline, _kinds(source, examples["seed"])),
        templated=True,
        by=by,
    )


def _splits(
    source: Source, sizes: Mapping[str, int], seed: int, repeat: int
) -> dict[str, list[Item]]:
    levels, seen = list(source.datasets), set[str]()

    def made(split: str, size: int, repeat: int) -> list[Item]:
        rows, mark = [], f"-{repeat}" if repeat else ""
        for i in range(size):
            draws = partial(
                draw, seed, repeat, f"reasoning_gym/{source.name}/{split}", str(i)
            )
            item = _unseen(source, levels[i % len(levels)], seen, draws)
            named = replace(item.example, id=f"{source.name}-{split}{mark}-{i:04d}")
            rows.append(replace(item, example=named))
        return rows

    splits = {split: made(split, size, 0) for split, size in sizes.items()}
    return (
        splits
        if repeat == 0
        else {**splits, "test": made("test", sizes["test"], repeat)}
    )


def _unseen(
    source: Source, level: int | None, seen: set[str], draws: Callable[[int], Random]
) -> Item:
    """An item whose key isn't in `seen`, and then is."""
    for k in range(TRIES):
        item = source.draw(level, draws(k))
        if (this := text_key(item.example.question)) not in seen:
            seen.add(this)
            return item
    raise ConfigError(
        f"reasoning_gym/{source.name}: no {len(seen) + 1} different items were found",
        fix="smaller splits, or levels or options with more room",
    )


def prompt(multiline: bool, question: str) -> str:
    """The user's message; without its last line an untuned student could not know the form that is graded."""
    if multiline:
        return f'{question}\n\nEnd with a line "Answer:" and, below it, the final answer alone.'
    return f'{question}\n\nEnd with a last line "Answer: " and the final answer alone.'


def target(multiline: bool, example: Example) -> str | None:
    """The worked solution, where there is one, and the answer; None where the library has no answer either."""
    if example.answer is None:
        return None
    answer = answer_form(example.answer, multiline)
    return answer if example.solution is None else f"{example.solution}\n{answer}"


def grade(
    source: Source, items: Mapping[str, Item], example: Example, text: str
) -> Grade:
    """Right: full marks from the scorer. Partial credit is "wrong"; a text that the scorer fails on is "unparsed".

    For a question that is not the task's own, or against another answer than the task's: equal as numbers or as text.
    """
    answer = read_answer(text, source.name in MULTILINE)
    if answer is None:
        return missing()
    item = items.get(text_key(example.question))
    if item is None or example.answer != item.example.answer:
        right = same_answer(answer, gold(example))
        return (
            Grade("right", answer, True)
            if right
            else Grade("wrong", answer, reason=_is_not(answer, example))
        )
    try:
        score = source.score(item, answer)
    except (
        Exception
    ) as error:  # the text is data, and the scorers are not made for every text
        return Grade("unparsed", answer, reason=f"can't be scored: {error!r}"[:200])
    if is_right(score):
        return Grade("right", answer, True)
    return Grade(
        "wrong", answer, reason=f"{_is_not(answer, example)} (score {score:.2g})"
    )


def _is_not(answer: str, example: Example) -> str:
    return (
        f"{answer[:80]} is not {str(example.answer)[:80]}"
        if example.answer
        else f"{answer[:80]} is no solution"
    )


def verify(multiline: bool, question: str, text: str) -> Grade:
    """A row must have a question and end in an answer: all that can be said without gold."""
    if not question.strip():
        return Grade("unparsed", reason="empty question")
    answer = read_answer(text, multiline)
    return missing() if answer is None else Grade("right", answer)


def _kinds(source: Source, seeds: Sequence[Example]) -> Mapping[int, int]:
    """For datasets of numbered generators: how many steps the solutions of each have (0: unknown)."""
    if source.name not in KINDS:
        return {}
    draws = (draw(0, 0, "reasoning_gym/kinds", source.name, k) for k in range(TRIES))
    found = [*seeds, *(source.draw(None, rng).example for rng in draws)]
    return {_number(example, "kind"): _number(example, "steps", 0) for example in found}


@dataclass(frozen=True)
class Writer:
    """Sets exercises near a seed. kinds: the dataset's generators and their steps, if it has several."""

    source: Source
    multiline: bool
    kinds: Mapping[int, int]

    def __call__(self, seed: Example, rng: Random) -> Written:
        """A new exercise of the seed's level (probability 0.6), or one easier or harder (0.2 each), as far as there is.

        Without levels: from the seed's own generator, or from one whose solutions have one step fewer or more (for
        generators of unknown steps, any); for a dataset with neither, anything that its options give.
        """
        step = rng.choices((0, -1, 1), (0.6, 0.2, 0.2))[0]
        if None not in self.source.datasets:
            item = self.source.draw(
                near(_number(seed, "level"), step, self._levels()), rng
            )
        else:
            item = self.source.draw(
                None, rng, self._kind(seed, step, rng) if self.kinds else None
            )
        return Written(
            item.example.question,
            str(target(self.multiline, item.example)),
            item.example.answer,
        )

    def _levels(self) -> list[int]:
        return sorted(level for level in self.source.datasets if level is not None)

    def _kind(self, seed: Example, step: int, rng: Random) -> int:
        own = _number(seed, "kind")
        if step == 0:
            return own
        steps = near(self.kinds[own], step, sorted(set(self.kinds.values())))
        return rng.choice(
            [kind for kind, its in sorted(self.kinds.items()) if its == steps]
        )


def _number(example: Example, field: str, default: int | None = None) -> int:
    number = example.meta.get(field, default)
    if not isinstance(number, int):
        raise DataError(
            f"seed {example.id} says no {field}",
            got=number,
            fix="use the task's own seeds",
        )
    return number


def near(value: int, step: int, ordered: list[int]) -> int:
    """The neighbour of a value in an ordered list, `step` places on, or its end."""
    return ordered[min(max(ordered.index(value) + step, 0), len(ordered) - 1)]
