"""`random`: m seeds, uniformly. Where every round restarts from base, this is static generation."""

from .criterion import Draws
from .evidence import Evidence


def random_choice(evidence: Evidence, m: int, draws: Draws) -> list[int]:
    """Each seed draws a number of its own; the m largest win, whatever the pool's order."""
    drawn = {i: draws(evidence.seeds[i].id).random() for i in evidence.candidates}
    return sorted(drawn, key=lambda i: (-drawn[i], i))[:m]
