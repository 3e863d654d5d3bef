"""`stories`: word problems of a few sums, made and solved by a program.

    Finn has 11 books. Finn gives away 8. The books double. How many books are there?

    11 - 8 = 3. 3 * 2 = 6.
    Answer: 6

Questions and answers take some 70 tokens together, so a student of a hundred million parameters
learns it in minutes on two cores. That makes it the demo's task, and a quick one to try things on.
"""

import re
from dataclasses import dataclass
from random import Random
from typing import Annotated, Literal

from pydantic import Field, model_validator

from ..errors import ConfigError, DataError
from ..graders import GRADERS
from ..rng import draw
from ..types import Example, Exercise, Grade, PositiveInt, Settings, Task

STEPS_RANGE = (1, 6)  # fewest, most
MAX_FIRST = 10
MAX_CHANGE = 5
# No sum on the way is larger.
MAX_TOTAL = 20
# Of one story, and of one example of a split. Far more than any needs.
MAX_DRAWS = 10_000
PROMPT_ENDING = '\nWrite each step, then "Answer: " and the number.'

NAMES = (
    "Ann", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gus", "Hana", "Ivan", "Jo", "Kim", "Leo", "Mia",
    "Noor", "Omar", "Pia",
)  # fmt: skip
THINGS = (
    "shells", "coins", "pears", "nails", "cards", "stamps", "beads", "pens", "kites", "plums",
    "books", "eggs",
)  # fmt: skip
# The sentences of a sign: {name}, {number} and {things} stand for their words.
SENTENCES = {
    "+": (
        "{name} finds {number} more.",
        "{name} buys {number} more.",
        "{name} is given {number}.",
        "{name} picks up {number}.",
        "{name} wins {number}.",
    ),
    "-": (
        "{name} loses {number}.",
        "{name} gives away {number}.",
        "{name} sells {number}.",
        "{name} breaks {number}.",
        "{name} drops {number}.",
    ),
    "*": ("The {things} double.", "{name} doubles the {things}."),
    "/": ("Half of the {things} get lost.", "{name} gives away half of the {things}."),
}
OPENING = re.compile(r"(?P<name>[A-Z]\w*) has (?P<number>\d{1,6}) (?P<things>\w+)\. ")
QUESTION = "How many {things} are there?"
EQUATION = re.compile(r"(\d+) ([-+*/]) (\d+) = (\d+)")
ANSWER_GRADER = GRADERS["number"].make()


@dataclass(frozen=True)
class Story:
    """A first number, and the signs and numbers of what happens to it."""

    first: int
    changes: tuple[tuple[str, int], ...]

    @property
    def signs(self) -> tuple[str, ...]:
        return tuple(sign for sign, _ in self.changes)

    def totals(self) -> list[int]:
        """The numbers after each step. Raises ValueError for a half of an odd number."""
        totals = [self.first]
        for sign, number in self.changes:
            totals.append(change_total(totals[-1], sign, number))
        return totals

    def solution(self) -> str:
        """Raises ValueError, as `totals` does."""
        totals = self.totals()
        steps = [
            f"{before} {sign} {number} = {after}."
            for before, (sign, number), after in zip(
                totals, self.changes, totals[1:], strict=False
            )
        ]
        return f"{' '.join(steps)}\nAnswer: {totals[-1]}"


def change_total(total: int, sign: str, number: int) -> int:
    """Raises ValueError where the rest isn't a whole number of things."""
    if sign == "+":
        return total + number
    if sign == "*":
        return total * number
    if sign == "-" and number <= total:
        return total - number
    if sign == "/" and number and total % number == 0:
        return total // number
    raise ValueError(f"{total} {sign} {number}")


def draw_story(signs: tuple[str, ...], rng: Random) -> Story:
    """A story with these signs, uniform among those within the limits."""
    for _ in range(MAX_DRAWS):
        changes = [(s, rng.randint(1, MAX_CHANGE) if s in "+-" else 2) for s in signs]
        story = Story(rng.randint(2, MAX_FIRST), tuple(changes))
        if is_within_limits(story):
            return story
    raise ConfigError(f"stories: no story was found with the signs {' '.join(signs)}")


def is_within_limits(story: Story) -> bool:
    try:
        totals = story.totals()
    except ValueError:
        return False
    return min(totals) >= 1 and max(totals) <= MAX_TOTAL


def tell_story(story: Story, rng: Random) -> str:
    """The question."""
    words = {"name": rng.choice(NAMES), "things": rng.choice(THINGS)}
    sentences = [f"{words['name']} has {story.first} {words['things']}."]
    for sign, number in story.changes:
        sentence = rng.choice(SENTENCES[sign])
        sentences.append(sentence.format(**words, number=number))
    sentences.append(QUESTION.format(**words))
    return " ".join(sentences)


def read_story(question: str) -> Story | None:
    """The story of a question; None for any other text."""
    opening = OPENING.match(question)
    if opening is None:
        return None
    words = {"name": opening["name"], "things": opening["things"]}
    ending = QUESTION.format(**words)
    rest = question[opening.end() :].rstrip()
    if not rest.endswith(ending):
        return None
    changes = []
    for sentence in re.findall(r"[^.]+\.", rest.removesuffix(ending)):
        change = read_change(sentence.strip(), words)
        if change is None:
            return None
        changes.append(change)
    return Story(int(opening["number"]), tuple(changes)) if changes else None


def read_change(sentence: str, words: dict[str, str]) -> tuple[str, int] | None:
    number = re.search(r"\d{1,6}", sentence)
    for sign, patterns in SENTENCES.items():
        told = {
            pattern.format(**words, number=number and number[0]) for pattern in patterns
        }
        if sentence in told:
            return sign, int(number[0]) if number else 2
    return None


def story_key(question: str) -> str:
    """Equal for stories with the same numbers and signs, whoever has whatever."""
    story = read_story(question)
    if story is None:
        return " ".join(question.casefold().split())
    return " ".join([str(story.first), *(f"{sign}{n}" for sign, n in story.changes)])


def story_prompt(question: str) -> str:
    return question + PROMPT_ENDING


def story_target(example: Example) -> str | None:
    return example.solution


def solve_story(question: str) -> str | None:
    """The text that answers a question; None for no story, or one without a solution."""
    story = read_story(question)
    try:
        return None if story is None else story.solution()
    except ValueError:
        return None


def verify_story(question: str, text: str) -> Grade:
    """A row is right if its answer is the program's, and all of its sums are true."""
    solution = solve_story(question)
    if solution is None:
        return Grade("unparsed", reason="not a story that the program can read")
    answer = solution.rpartition(" ")[2]
    for left, sign, right, result in EQUATION.findall(text):
        if not is_true(int(left), sign, int(right), int(result)):
            return Grade("wrong", reason=f"{left} {sign} {right} is not {result}")
    return ANSWER_GRADER.grade(Example("", question, answer), text)


def is_true(left: int, sign: str, right: int, result: int) -> bool:
    try:
        return change_total(left, sign, right) == result
    except ValueError:
        return False


def write_story(seed: Example, rng: Random) -> Exercise:
    """Another story with the seed's signs. Raises DataError for a seed that is no story."""
    story = read_story(seed.question)
    if story is None:
        raise DataError(f"seed {seed.id}: no story", got=seed.question[:80])
    new = draw_story(story.signs, rng)
    return Exercise(tell_story(new, rng), new.solution())


class StoriesSettings(Settings):
    """Word problems of a few sums, made by teachback."""

    name: Literal["stories"]
    # The fewest and the most sums, as in [2, 3].
    steps: tuple[
        Annotated[int, Field(ge=1, le=6)], Annotated[int, Field(ge=1, le=6)]
    ] = (2, 3)
    seeds: PositiveInt = 64
    dev: PositiveInt = 100
    test: PositiveInt = 200
    # Of the questions.
    seed: int = 0

    @model_validator(mode="after")
    def _check_order(self) -> "StoriesSettings":
        if self.steps[0] > self.steps[1]:
            raise ValueError(
                f"steps goes from the fewest to the most, as in [2, 3]; got {list(self.steps)}"
            )
        return self


def load_stories(
    *,
    steps: tuple[int, int],
    seeds: int,
    dev: int,
    test: int,
    seed: int,
    repeat: int = 0,
) -> Task:
    """The task, with splits that share no story.

    steps: fewest and most, both included.
    repeat: of a comparison. Each repeat has its own test set; all have the same seeds and dev.

    Raises ConfigError where there are not so many stories.
    """
    used_keys = set[str]()
    seed_rows = make_split("seed", seeds, steps, seed, 0, used_keys)
    dev_rows = make_split("dev", dev, steps, seed, 0, used_keys)
    test_rows = make_split("test", test, steps, seed, repeat, used_keys)
    return Task(
        name="stories",
        seeds=seed_rows,
        dev=dev_rows,
        test=test_rows,
        prompt=story_prompt,
        target=story_target,
        grade=ANSWER_GRADER.grade,
        verify=verify_story,
        exact=True,
        key=story_key,
        write=write_story,
        templated=True,
        by=("steps",),
    )


def make_split(
    split: str,
    size: int,
    steps: tuple[int, int],
    seed: int,
    repeat: int,
    used_keys: set[str],
) -> tuple[Example, ...]:
    """Adds its questions' keys to used_keys."""
    suffix = f"-{repeat}" if repeat else ""
    rows = []
    for i in range(size):
        id = f"stories-{split}{suffix}-{i:04d}"
        for k in range(MAX_DRAWS):
            rng = draw(seed, repeat, f"stories/{split}", str(i), k)
            example = generate_story(id, rng.randint(*steps), rng)
            if story_key(example.question) not in used_keys:
                break
        else:
            raise ConfigError(
                "stories: there are not so many different ones",
                got=f"{len(used_keys)} stories of {steps[0]} to {steps[1]} steps, and more wanted",
                fix="smaller splits, or more task.steps",
            )
        used_keys.add(story_key(example.question))
        rows.append(example)
    return tuple(rows)


def generate_story(id: str, steps: int, rng: Random) -> Example:
    signs = tuple(rng.choices("+-*/", (3, 3, 2, 1), k=steps))
    story = draw_story(signs, rng)
    question = tell_story(story, rng)
    return Example(
        id, question, str(story.totals()[-1]), story.solution(), {"steps": steps}
    )
