"""Whether a syllogism of reasoning-gym follows, told from all models of three terms.

The library calls some invalid ones valid: "All ants are dolphins. Some dolphins are not spiders.
So some ants are not spiders." Others follow only if there is an ant at all, which the question
leaves open.
"""

import re
from collections.abc import Sequence
from itertools import combinations, product
from typing import NamedTuple

SENTENCE = re.compile(
    r"\b(?P<quantity>All|No|Some) (?P<subject>[a-z]+) are (?P<not>not )?(?P<predicate>[a-z]+)"
)
# A kind of thing: is it of the first, the second, the third term?
Kind = tuple[bool, ...]


class Claim(NamedTuple):
    quantity: str
    subject: str
    predicate: str
    negated: bool


def has_sound_syllogism(question: str, answer: str) -> bool:
    """Whether the answer is right, both if terms may be empty and if they may not."""
    claims = read_claims(question)
    if len(claims) != 3:
        return False
    *premises, conclusion = claims
    readings = {
        follows(premises, conclusion, may_be_empty) for may_be_empty in (True, False)
    }
    return readings == {answer == "Yes"}


def read_claims(question: str) -> list[Claim]:
    return [
        Claim(
            match["quantity"], match["subject"], match["predicate"], bool(match["not"])
        )
        for match in SENTENCE.finditer(question)
    ]


def follows(premises: Sequence[Claim], conclusion: Claim, may_be_empty: bool) -> bool:
    """Whether the conclusion holds in every world where the premises do.

    A world is the set of kinds of things that exist.
    """
    claims = (*premises, conclusion)
    terms = sorted(
        {term for claim in claims for term in (claim.subject, claim.predicate)}
    )
    kinds = list(product((False, True), repeat=len(terms)))
    for size in range(len(kinds) + 1):
        for world in combinations(kinds, size):
            if not may_be_empty and not fills_all_terms(world):
                continue
            is_model = all(holds(claim, world, terms) for claim in premises)
            if is_model and not holds(conclusion, world, terms):
                return False
    return True


def fills_all_terms(world: Sequence[Kind]) -> bool:
    """Whether there is something of each term."""
    return bool(world) and all(map(any, zip(*world, strict=True)))


def holds(claim: Claim, world: Sequence[Kind], terms: Sequence[str]) -> bool:
    subject = terms.index(claim.subject)
    predicate = terms.index(claim.predicate)
    kinds = [kind for kind in world if kind[subject]]
    if claim.quantity == "All":
        return all(kind[predicate] for kind in kinds)
    if claim.quantity == "No":
        return not any(kind[predicate] for kind in kinds)
    return any(kind[predicate] != claim.negated for kind in kinds)
