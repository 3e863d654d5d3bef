"""Generates exercises like ProntoQA's, about fictional concepts."""

from itertools import pairwise
from random import Random

from ..types import Example
from .wording import WordedRule, with_article

HOPS_RANGE = (1, 6)  # fewest, most
PERSON_NAMES = ("Alex", "Fae", "Max", "Polly", "Rex", "Sally", "Sam", "Stella", "Wren")
CONCEPTS = (
    "brimpus", "dumpus", "gorpus", "grimpus", "impus", "jompus", "lempus", "lorpus", "numpus",
    "rompus", "shumpus", "sterpus", "tumpus", "vumpus", "wumpus", "yumpus", "zumpus",
)  # fmt: skip
PROPERTY_FAMILIES = (
    ("blue", "brown", "orange", "red"),
    ("large", "small"),
    ("liquid", "luminous", "metallic", "wooden"),
    ("opaque", "transparent"),
    ("bright", "dull"),
    ("feisty", "happy", "nervous", "shy"),
    ("bitter", "sour", "spicy", "sweet"),
    ("earthy", "floral", "fruity"),
    ("cold", "hot", "temperate"),
    ("aggressive", "amenable", "angry", "kind", "mean"),
    ("discordant", "loud", "melodic", "muffled"),
    ("fast", "moderate", "slow"),
    ("overcast", "rainy", "snowy", "sunny", "windy"),
)


def generate_proof_question(
    hops: int, rng: Random, *, side_rules: bool = True
) -> Example:
    """An exercise of `hops` rules (1..6) with its only proof; its id is empty.

    Two chains of concepts of equal length end in rules about the same property, of opposite
    polarity. Which chain the name is on is decided last. So only following the chain tells the
    label: in the published files the other rule's concept occurs nowhere else, which gives the
    label away.

    side_rules: up to three more rules hang on random concepts. Without them a proof never has a
    choice.
    """
    concepts = rng.sample(CONCEPTS, len(CONCEPTS))
    chains = [_pop_concepts(concepts, hops), _pop_concepts(concepts, hops)]
    families = rng.sample(PROPERTY_FAMILIES, len(PROPERTY_FAMILIES))
    query_property = rng.choice(families.pop())
    proofs = [
        _chain_rules(chains[0], query_property, negated=False),
        _chain_rules(chains[1], query_property, negated=True),
    ]
    rules = [*proofs[0], *proofs[1]]
    if side_rules:
        rules += _side_rules(chains, concepts, families, rng)

    quantifiers = ("Each", "Every", None, None)
    sentences = {rule: rule.wording(rng.choice(quantifiers)) for rule in rules}
    premises = rng.sample(rules, len(rules))
    name = rng.choice(PERSON_NAMES)
    proof = rng.choice(proofs)
    negated = rng.random() < 0.5

    fact = f"{name} is {with_article(proof[0].subject)}."
    context = " ".join([*(sentences[rule] for rule in premises), fact])
    conclusion = proof[-1]
    query = conclusion._replace(negated=negated).predicate_wording()
    steps = [
        f"{sentences[rule]} {name} is {rule.predicate_wording()}." for rule in proof
    ]
    return Example(
        id="",
        question=f"{context}\nTrue or false: {name} is {query}.",
        answer=str(negated == conclusion.negated),
        solution=" ".join([fact, *steps]),
        meta={"hops": hops},
    )


def _pop_concepts(concepts: list[str], n: int) -> list[str]:
    return [concepts.pop() for _ in range(n)]


def _chain_rules(chain: list[str], end: str, *, negated: bool) -> list[WordedRule]:
    """Each concept is the next one; the last has the property `end`, or has it not."""
    links = [WordedRule(lower, upper) for lower, upper in pairwise(chain)]
    return [*links, WordedRule(chain[-1], end, False, negated)]


def _side_rules(
    chains: list[list[str]],
    unused: list[str],
    families: list[tuple[str, ...]],
    rng: Random,
) -> list[WordedRule]:
    """Rules that prove nothing.

    Each gives a property to a concept that has none, or puts a new concept below or above one.
    With one hop, each of the two concepts gets one: both then occur besides the rule about the
    query's property. Takes concepts from `unused` and properties from `families`.
    """
    concepts = [concept for chain in chains for concept in chain]
    with_property = [chain[-1] for chain in chains]
    is_one_hop = len(concepts) == 2
    anchors = concepts[:2] if is_one_hop else []
    n_more = rng.randint(0, 1 if is_one_hop else 2)
    anchors += [rng.choice(concepts) for _ in range(n_more)]

    rules = []
    for anchor in anchors:
        if anchor not in with_property and rng.random() < 0.6:
            with_property.append(anchor)
            side_property = rng.choice(families.pop())
            rules.append(WordedRule(anchor, side_property, False, rng.random() < 0.5))
        else:
            lower, upper = rng.sample((anchor, unused.pop()), 2)
            rules.append(WordedRule(lower, upper))
    return rules
