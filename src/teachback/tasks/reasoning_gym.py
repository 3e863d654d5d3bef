"""Procedural tasks of reasoning-gym (Stojanovski et al., arXiv 2505.24760), one per dataset.

Questions, answers and their scoring are the library's, except as `gym_answers` says. Only
gsm_symbolic has worked solutions. For all other datasets the rows that the program writes are
answers alone.

gsm_symbolic is made from GSM8K *test* questions (median masked 5-shingle Jaccard 0.24 to test,
0.016 to train). It is a task of its own. Its rows must never train a student that is tested on
GSM8K.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from typing import Annotated, Literal

from pydantic import Field, JsonValue

from ..errors import ConfigError, DataError
from ..graders.final import gold_answer, no_final_answer
from ..rng import draw
from ..types import Example, Exercise, Grade, PositiveInt, Settings, Task
from .gym_answers import (
    MULTILINE_DATASETS,
    format_gym_answer,
    is_full_score,
    read_answer,
    same_answer,
)
from .gym_datasets import open_source
from .gym_items import DATASETS_WITHOUT_ANSWERS, NUMBERED_GENERATORS, GymItem, GymSource
from .keys import text_key

MAX_NEW_ITEM_DRAWS = 1000  # to find an item that no split has
KIND_SAMPLE_SIZE = 1000  # items drawn to find a dataset's kinds


class ReasoningGymSettings(Settings):
    """A procedural task of reasoning-gym; written as name: reasoning_gym/NAME."""

    name: Literal["reasoning_gym"]
    dataset: str
    options: dict[str, JsonValue] = {}
    # The easiest and the hardest level of its curriculum.
    levels: tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]] | None = (
        None
    )
    seeds: PositiveInt = 64
    dev: PositiveInt = 100
    test: PositiveInt = 200
    seed: int = 0


def load_reasoning_gym(
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
    """The task, with splits of the given sizes that share no key; levels are taken in turn.

    options: these go before what a level would set.
    levels: easiest and hardest, of the splits and of what the program writes. None takes the
    first three, if the dataset has a curriculum.
    repeat: of a comparison. Each repeat has its own test set; all share seeds and dev.

    The task is `templated`: rows share words with test by construction (with numbers masked,
    93 % of gsm_symbolic's have eight words in a row of one of 300 held-out items), so only the
    key tells. It is not `exact`: without gold, `verify` only tells that there is an answer. The
    program teacher's rows are checked against the program's own answer.

    Raises ConfigError for a dataset, options or levels that can't be used, and if too few
    different items are found.
    """
    source = open_source(dataset, options, levels)
    sizes = {"test": test, "dev": dev, "seed": seeds}
    splits = _draw_splits(source, sizes, seed, repeat)
    items_by_key = {}
    examples = {}
    for split, items in splits.items():
        examples[split] = tuple(item.example for item in items)
        for item in items:
            items_by_key[text_key(item.example.question)] = item

    multiline = dataset in MULTILINE_DATASETS
    writer = None
    if dataset not in DATASETS_WITHOUT_ANSWERS:
        writer = GymWriter(source, multiline, _steps_by_kind(source, examples["seed"]))
    return Task(
        name=f"reasoning_gym/{dataset}",
        seeds=examples["seed"],
        dev=examples["dev"],
        test=examples["test"],
        prompt=partial(gym_prompt, multiline),
        target=partial(gym_target, multiline),
        grade=partial(grade_gym, source, items_by_key),
        verify=partial(verify_gym, multiline),
        exact=False,
        key=text_key,
        write=writer,
        templated=True,
        by=_report_fields(source),
    )


def _report_fields(source: GymSource) -> tuple[str, ...]:
    if None not in source.datasets:
        return ("level",)
    if source.name == "gsm_symbolic":
        return ("steps",)
    return ()


def _draw_splits(
    source: GymSource,
    sizes: Mapping[str, int],
    seed: int,
    repeat: int,
) -> dict[str, list[GymItem]]:
    levels = list(source.datasets)
    used_keys = set[str]()

    def draw_new(split: str, i: int, repeat: int) -> GymItem:
        purpose = f"reasoning_gym/{source.name}/{split}"
        level = levels[i % len(levels)]
        for k in range(MAX_NEW_ITEM_DRAWS):
            item = source.draw(level, draw(seed, repeat, purpose, str(i), k))
            key = text_key(item.example.question)
            if key not in used_keys:
                used_keys.add(key)
                return item
        raise ConfigError(
            f"reasoning_gym/{source.name}: no {len(used_keys) + 1} different items were found",
            fix="smaller splits, or levels or options with more room",
        )

    def draw_split(split: str, size: int, repeat: int) -> list[GymItem]:
        suffix = f"-{repeat}" if repeat else ""
        items = []
        for i in range(size):
            item = draw_new(split, i, repeat)
            id = f"{source.name}-{split}{suffix}-{i:04d}"
            items.append(replace(item, example=replace(item.example, id=id)))
        return items

    splits = {split: draw_split(split, size, 0) for split, size in sizes.items()}
    if repeat != 0:  # drawn last, so that seeds and dev are those of repeat 0
        splits["test"] = draw_split("test", sizes["test"], repeat)
    return splits


def gym_prompt(multiline: bool, question: str) -> str:
    """The last line tells the graded form; an untuned student could not know it."""
    if multiline:
        form = 'End with a line "Answer:" and, below it, the final answer alone.'
    else:
        form = 'End with a last line "Answer: " and the final answer alone.'
    return f"{question}\n\n{form}"


def gym_target(multiline: bool, example: Example) -> str | None:
    """The worked solution, if there is one, and the answer; None if the library has no answer."""
    if example.answer is None:
        return None
    answer = format_gym_answer(example.answer, multiline)
    return answer if example.solution is None else f"{example.solution}\n{answer}"


def grade_gym(
    source: GymSource,
    items: Mapping[str, GymItem],
    example: Example,
    text: str,
) -> Grade:
    """Right if the scorer gives full marks. Partial credit is "wrong".

    A text that the scorer fails on is "unparsed". A question or a gold answer that isn't the
    task's own is compared as number or as text. items: by the question's key.
    """
    answer = read_answer(text, source.name in MULTILINE_DATASETS)
    if answer is None:
        return no_final_answer()
    item = items.get(text_key(example.question))
    if item is None or example.answer != item.example.answer:
        if same_answer(answer, gold_answer(example)):
            return Grade("right", answer, True)
        return Grade("wrong", answer, reason=_wrong_reason(answer, example))
    try:
        score = source.score(item, answer)
    except Exception as error:  # scorers are not made for every text
        return Grade("unparsed", answer, reason=f"can't be scored: {error!r}"[:200])
    if is_full_score(score):
        return Grade("right", answer, True)
    reason = f"{_wrong_reason(answer, example)} (score {score:.2g})"
    return Grade("wrong", answer, reason=reason)


def _wrong_reason(answer: str, example: Example) -> str:
    if not example.answer:
        return f"{answer[:80]} is no solution"
    return f"{answer[:80]} is not {str(example.answer)[:80]}"


def verify_gym(multiline: bool, question: str, text: str) -> Grade:
    """Without a gold answer, a row must have a question and end in an answer."""
    if not question.strip():
        return Grade("unparsed", reason="empty question")
    answer = read_answer(text, multiline)
    return no_final_answer() if answer is None else Grade("right", answer)


def _steps_by_kind(source: GymSource, seeds: Sequence[Example]) -> Mapping[int, int]:
    """The numbered generators of a dataset → steps of their solutions (0: unknown)."""
    if source.name not in NUMBERED_GENERATORS:
        return {}
    examples = list(seeds)
    for k in range(KIND_SAMPLE_SIZE):
        rng = draw(0, 0, "reasoning_gym/kinds", source.name, k)
        examples.append(source.draw(None, rng).example)
    return {_meta_int(e, "kind"): _meta_int(e, "steps", 0) for e in examples}


@dataclass(frozen=True)
class GymWriter:
    """Writes exercises near a seed."""

    source: GymSource
    multiline: bool
    kinds: Mapping[int, int]  # see `_steps_by_kind`

    def __call__(self, seed: Example, rng: Random) -> Exercise:
        """An exercise of the seed's level (probability 0.6), or one easier or harder (0.2 each).

        Levels are clipped at the ends. A dataset without levels takes the seed's own generator,
        or one whose solutions have one step fewer or more (any, if steps are unknown). A dataset
        with neither takes anything that its options give.
        """
        step = rng.choices((0, -1, 1), (0.6, 0.2, 0.2))[0]
        level = kind = None
        if None not in self.source.datasets:
            level = neighbour(_meta_int(seed, "level"), step, self._levels())
        elif self.kinds:
            kind = self._choose_kind(seed, step, rng)
        item = self.source.draw(level, rng, kind)
        text = str(gym_target(self.multiline, item.example))
        return Exercise(item.example.question, text, item.example.answer)

    def _levels(self) -> list[int]:
        return sorted(level for level in self.source.datasets if level is not None)

    def _choose_kind(self, seed: Example, step: int, rng: Random) -> int:
        seed_kind = _meta_int(seed, "kind")
        if step == 0:
            return seed_kind
        all_steps = sorted(set(self.kinds.values()))
        n_steps = neighbour(self.kinds[seed_kind], step, all_steps)
        return rng.choice(
            sorted(kind for kind, n in self.kinds.items() if n == n_steps)
        )


def _meta_int(example: Example, field: str, default: int | None = None) -> int:
    number = example.meta.get(field, default)
    if not isinstance(number, int):
        raise DataError(
            f"seed {example.id} says no {field}",
            got=number,
            fix="use the task's own seeds",
        )
    return number


def neighbour(value: int, step: int, ordered: list[int]) -> int:
    """The value `step` places on in an ordered list, clipped at its ends."""
    place = ordered.index(value) + step
    return ordered[min(max(place, 0), len(ordered) - 1)]
