"""Randomness as an argument: a draw is a function of what it is for, never of where or when it is made (rule R6)."""

import hashlib
import json
from random import Random


def draw(run_seed: int, repeat: int, purpose: str, seed_id: str, n: int) -> Random:
    """A generator for one draw: the same five values give the same numbers on any machine, in any order.

    run_seed, repeat: from the config; arms of one repeat share both, so that they share draws.
    purpose: what is drawn ("teacher", "select", ...). n: how often this was drawn before.
    """
    name = json.dumps([run_seed, repeat, purpose, seed_id, n]).encode()
    return Random(int.from_bytes(hashlib.sha256(name).digest()[:16], "big"))
