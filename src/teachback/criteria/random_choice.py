"""`random`: m seeds, uniformly. Where every round restarts from base, this is static generation."""

from collections.abc import Callable, Sequence
from random import Random

from ..types import Example


def random_choice(pool: Sequence[Example], m: int, random: Callable[[str], Random]) -> list[int]:
    """Each seed draws a number of its own; the m largest win, whatever the pool's order."""
    drawn = [random(example.id).random() for example in pool]
    return sorted(range(len(pool)), key=lambda i: (-drawn[i], pool[i].id))[:m]
