"""`random`: m seeds, uniformly. Where every round restarts from base, this is static generation."""

from .criterion import Draws
from .evidence import Evidence


def random_choice(evidence: Evidence, m: int, draws: Draws) -> list[int]:
    """Each seed draws its own number, so the pool's order doesn't matter. The m largest win."""
    random_number = {
        i: draws(evidence.seeds[i].id).random() for i in evidence.candidates
    }
    return sorted(random_number, key=lambda i: (-random_number[i], i))[:m]
