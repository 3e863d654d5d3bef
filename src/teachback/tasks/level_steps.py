"""How far the exercise that a program writes is from its seed."""

from random import Random


def draw_level_step(rng: Random) -> int:
    """0 (probability 0.6), one level down or one up (0.2 each)."""
    steps = (0, -1, 1)
    weights = (0.6, 0.2, 0.2)
    return rng.choices(steps, weights)[0]


def clip(value: int, low: int, high: int) -> int:
    return min(max(value, low), high)
