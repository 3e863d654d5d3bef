"""ProntoQA (Saparov & He, arXiv 2210.01240): is a statement true, given facts and rules? The answer carries its proof.

A label alone says little (every published file gives its labels away without reasoning), so an answer is right when
its label is right *and* its proof is valid, sentence by sentence. A hop is one use of a rule.

`templated`: all questions are made of the same few sentences, so every row shares 8 words with one of test. Only `key`,
which reads premises and question, tells exercises apart.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from itertools import count, pairwise
from pathlib import Path
from random import Random

from ..errors import ConfigError, DataError
from ..rng import draw
from ..types import Example, Grade, Task, Written
from .jsonl_file import read_jsonl
from .ontology import Question, Rule, flaw, read_question, settle, with_article
from .proof import prove

HOPS = (1, 6)
NAMES = ("Alex", "Fae", "Max", "Polly", "Rex", "Sally", "Sam", "Stella", "Wren")
CONCEPTS = (
    "brimpus", "dumpus", "gorpus", "grimpus", "impus", "jompus", "lempus", "lorpus", "numpus", "rompus", "shumpus",
    "sterpus", "tumpus", "vumpus", "wumpus", "yumpus", "zumpus",
)  # fmt: skip
FAMILIES = tuple(
    tuple(family.split())
    for family in (
        "blue brown orange red", "large small", "liquid luminous metallic wooden", "opaque transparent", "bright dull",
        "feisty happy nervous shy", "bitter sour spicy sweet", "earthy floral fruity", "cold hot temperate",
        "aggressive amenable angry kind mean", "discordant loud melodic muffled", "fast moderate slow",
        "overcast rainy snowy sunny windy",
    )
)  # fmt: skip

_ANY_LABEL = re.compile(r"\bAnswer:[ \t]*(True|False)\b", re.IGNORECASE)
_LABEL_LINE = re.compile(r"Answer:[ \t]*(True|False)\.?")


def prompt(question: str) -> str:
    """The user's message; without its last line an untuned student could not know the form that is graded."""
    return f'{question}\nGive the proof, then "Answer: True" or "Answer: False".'


def target(example: Example) -> str | None:
    if (
        example.solution is None
        or example.answer is None
        or _read_label(example.solution)[0] is not None
    ):
        return example.solution
    return answer_form(example.solution, example.answer)


def answer_form(solution: str, answer: str) -> str:
    return f"{solution}\nAnswer: {answer}"


def grade(example: Example, text: str) -> Grade:
    """Right: the last line is "Answer: " and the gold label, and the proof before it holds (see ontology.flaw).

    "unparsed" when the last line is no answer, or when the text names both labels as its answer.
    """
    return _judge(read_question(example.question), text, example.answer)


def verify(question: str, text: str) -> Grade:
    """As `grade`, where the label must be what follows from the question's premises by forward chaining.

    A question whose premises don't settle what is asked, or contradict each other about its subject, is "wrong".
    """
    read = read_question(question)
    truth = settle(read) if read else None
    found = _judge(read, text, truth.label if truth else None)
    return (
        replace(found, reason=truth.reason)
        if truth and truth.reason and found.outcome == "wrong"
        else found
    )


def _judge(question: Question | None, text: str, gold: str | None) -> Grade:
    label, proof = _read_label(text)
    right = label is not None and label == gold
    if question is None:
        return Grade(
            "unparsed",
            label,
            right,
            'the question is not facts, rules and one "True or false: ..."',
        )
    if label is None:
        return Grade(
            "unparsed",
            reason='no last line "Answer: True" or "Answer: False", or several that differ',
        )
    reason = flaw(question, proof, label) if right else f"the answer is {gold}"
    return Grade("wrong" if reason else "right", label, right, reason)


def _read_label(text: str) -> tuple[str | None, str]:
    """The label, and what stands before its line; None for no label, or several that differ."""
    proof, _, last = text.rstrip().rpartition("\n")
    found = _LABEL_LINE.fullmatch(last.strip())
    if found is None or len({label.lower() for label in _ANY_LABEL.findall(text)}) > 1:
        return None, text
    return found[1], proof


def key(question: str) -> str:
    """Equal for questions with the same premises, in any order and wording, that ask for the same subject and property.

    The asked polarity is left out: whoever knows whether Max is red knows whether he is not. Other names or concepts
    make another exercise. A question that can't be read is known by its text, apart from case and whitespace.
    """
    read = read_question(question)
    form: object = " ".join(question.lower().split())
    if read is not None:
        premises = sorted(
            (p.rule, p.subject, p.predicate, p.negated) for p in read.premises
        )
        form = [premises, read.asked.subject, read.asked.predicate]
    return hashlib.sha256(json.dumps(form).encode()).hexdigest()[:32]


def generate(hops: int, rng: Random, *, side_rules: bool = True) -> Example:
    """A fictional exercise of `hops` rules (1..6) with its only proof, in the data set's wording; its id is empty.

    Two chains of concepts of equal length end in rules about the same property, of opposite polarity; which chain the
    name is on is decided last. So nothing but following the chain tells the label: in the published files the other
    rule's concept occurs nowhere else, which gives it away. Up to three more rules hang on random concepts; without
    side_rules there are none, and on the way there is never a choice.
    """
    concepts = rng.sample(CONCEPTS, len(CONCEPTS))
    chains = [[concepts.pop() for _ in range(hops)] for _ in range(2)]
    families = rng.sample(FAMILIES, len(FAMILIES))
    asked = rng.choice(families.pop())
    ends = [
        Rule(chain[-1], asked, False, negated)
        for chain, negated in zip(chains, (False, True), strict=True)
    ]
    links = [
        [*(Rule(a, b) for a, b in pairwise(chain)), end]
        for chain, end in zip(chains, ends, strict=True)
    ]
    more = _more_rules(chains, concepts, families, rng) if side_rules else []
    rules = [*links[0], *links[1], *more]
    said = {
        rule: rule.wording(rng.choice(("Each", "Every", None, None))) for rule in rules
    }
    premises = rng.sample(rules, len(rules))
    name, proof, negated = rng.choice(NAMES), rng.choice(links), rng.random() < 0.5
    fact = f"{name} is {with_article(proof[0].subject)}."
    steps = [f"{said[rule]} {name} is {rule.predicate_wording()}." for rule in proof]
    query = f"True or false: {name} is {proof[-1]._replace(negated=negated).predicate_wording()}."
    return Example(
        id="",
        question=" ".join([*(said[rule] for rule in premises), fact]) + "\n" + query,
        answer=str(negated == proof[-1].negated),
        solution=" ".join([fact, *steps]),
        meta={"hops": hops},
    )


def _more_rules(
    chains: list[list[str]],
    unused: list[str],
    families: list[tuple[str, ...]],
    rng: Random,
) -> list[Rule]:
    """Rules that prove nothing: a property of a concept that has none, or a new concept below or above one.

    With one hop, each of the two concepts gets one, so that both occur besides the rule about the asked property.
    """
    known = [concept for chain in chains for concept in chain]
    with_property = [chain[-1] for chain in chains]
    one_hop = len(known) == 2
    anchors = known[:2] if one_hop else []
    rules = []
    for anchor in [
        *anchors,
        *(rng.choice(known) for _ in range(rng.randint(0, 1 if one_hop else 2))),
    ]:
        if anchor not in with_property and rng.random() < 0.6:
            with_property.append(anchor)
            rules.append(
                Rule(anchor, rng.choice(families.pop()), False, rng.random() < 0.5)
            )
        else:
            lower, upper = rng.sample((anchor, unused.pop()), 2)
            rules.append(Rule(lower, upper))
    return rules


def solve(question: str) -> str | None:
    """The text that a question should be answered with: a shortest proof in the data set's wording, and the label.

    None when the question can't be read, settles nothing or contradicts itself.
    """
    read = read_question(question)
    truth = settle(read) if read else None
    if read is None or truth is None or truth.label is None:
        return None
    text = answer_form(prove(read, question), truth.label)
    return text if verify(question, text).outcome == "right" else None


def write(
    seed: Example,
    rng: Random,
    *,
    within: tuple[int, int] = HOPS,
    side_rules: bool = True,
) -> Written:
    """A new exercise with as many hops as the seed (probability 0.6), or one fewer or more (0.2 each), of those within.

    The seed's hops are its meta["hops"], or else what its question takes. Raises DataError when neither tells.
    """
    hops = _hops(seed) + rng.choices((0, -1, 1), (0.6, 0.2, 0.2))[0]
    made = generate(min(max(hops, within[0]), within[1]), rng, side_rules=side_rules)
    return Written(made.question, answer_form(str(made.solution), str(made.answer)))


def _hops(seed: Example) -> int:
    hops = seed.meta.get("hops")
    if isinstance(hops, int) and not isinstance(hops, bool):
        return hops
    read = read_question(seed.question)
    truth = settle(read) if read else None
    if truth is None or truth.label is None:
        raise DataError(
            f"seed {seed.id}: its question can't be read or solved",
            fix='give meta["hops"], or leave it out',
        )
    return truth.hops


def load(
    *,
    path: Path | None,
    hops: tuple[int, int],
    seeds: int,
    dev: int,
    test: int,
    seed: int,
    repeat: int = 0,
) -> Task:
    """The task with splits of the given sizes that share no `key`; hops: fewest and most, both included. repeat: of a
    comparison: where questions are generated, each has a test set of its own, and the same seeds and dev.

    path None: generated, hops uniform. Otherwise the folder with prontoqa_train.jsonl: all three splits come from its
    rows with shuffled premises, by a hash of (seed, key), so the file's order does not matter; nor do the sizes of
    seeds and test to each other. Raises DataError when rows are bad or too few, ConfigError for hops that can't be.
    """
    sizes = {"test": test, "dev": dev, "seed": seeds}
    splits = (
        _generated(hops, sizes, seed, repeat)
        if path is None
        else _split(path / "prontoqa_train.jsonl", hops, sizes, seed)
    )
    return Task(
        name="prontoqa",
        seeds=splits["seed"],
        dev=splits["dev"],
        test=splits["test"],
        prompt=prompt,
        target=target,
        grade=grade,
        verify=verify,
        exact=True,
        key=key,
        write=write,
        templated=True,
        by=("hops",),
    )


def _generated(
    hops: tuple[int, int], sizes: Mapping[str, int], seed: int, repeat: int
) -> dict[str, tuple[Example, ...]]:
    if not HOPS[0] <= hops[0] <= hops[1] <= HOPS[1]:
        raise ConfigError(
            "prontoqa: hops can't be generated",
            got=list(hops),
            allowed=f"fewest, most within {list(HOPS)}",
        )
    seen = set[str]()

    def made(split: str, size: int, repeat: int) -> tuple[Example, ...]:
        rows, mark = [], f"-{repeat}" if repeat else ""
        for i in range(size):
            draws = (
                draw(seed, repeat, f"prontoqa/{split}", str(i), k) for k in count()
            )
            tries = (generate(rng.randint(*hops), rng) for rng in draws)
            row = next(
                example for example in tries if key(example.question) not in seen
            )
            seen.add(key(row.question))
            rows.append(replace(row, id=f"prontoqa-{split}{mark}-{i:04d}"))
        return tuple(rows)

    splits = {split: made(split, size, 0) for split, size in sizes.items()}
    return (
        splits
        if repeat == 0
        else {**splits, "test": made("test", sizes["test"], repeat)}
    )


def _split(
    file: Path, hops: tuple[int, int], sizes: Mapping[str, int], seed: int
) -> dict[str, tuple[Example, ...]]:
    rows = [
        _example(row, f"{file}, object {number}")
        for number, row in enumerate(read_jsonl(file), start=1)
    ]
    if len({row.id for row in rows}) < len(rows):
        raise DataError(
            f"{file}: two rows have the same id", fix="number the rows anew"
        )
    fit = [
        row
        for row in rows
        if row.meta["ordering"] == "random"
        and row.meta["hops"] in range(hops[0], hops[1] + 1)
    ]
    one_each = {
        key(row.question): row
        for row in sorted(fit, key=lambda row: row.id, reverse=True)
    }
    order = sorted(
        one_each, key=lambda name: draw(seed, 0, "prontoqa/split", name, 0).random()
    )
    unique = [one_each[name] for name in order]
    wanted, last = sum(sizes.values()), len(unique) - 1
    if wanted > len(unique):
        raise DataError(
            f"{file}: too few rows of {hops[0]} to {hops[1]} hops with shuffled premises",
            got=f"{len(unique)} different ones, {wanted} wanted ({dict(sizes)})",
            fix="smaller splits, other hops, or no path (rows are then generated)",
        )
    middle = sizes["test"] + sizes["dev"]
    return {
        "test": tuple(unique[: sizes["test"]]),
        "dev": tuple(unique[sizes["test"] : middle]),
        "seed": tuple(unique[last - i] for i in range(sizes["seed"])),
    }


def _example(row: dict[str, object], where: str) -> Example:
    texts, meta = (
        [row.get(field) for field in ("id", "question", "answer", "solution")],
        row.get("meta"),
    )
    good = all(isinstance(text, str) for text in texts) and texts[2] in (
        "True",
        "False",
    )
    if (
        not good
        or not isinstance(meta, dict)
        or not {"hops", "ordering"} <= meta.keys()
    ):
        allowed = 'texts id, question and solution, answer "True" or "False", meta with hops and ordering'
        raise DataError(
            f"{where}: not a row of ProntoQA", got=str(row)[:200], allowed=allowed
        )
    name, question, answer, solution = map(str, texts)
    return Example(name, question, answer, solution, meta)
