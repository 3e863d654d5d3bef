"""Random numbers that depend on what they are for, never on where or when they are drawn (R6)."""

import hashlib
import json
from random import Random


def draw(run_seed: int, repeat: int, purpose: str, seed_id: str, n: int) -> Random:
    """A generator for one draw: the same five values give the same numbers on any machine.

    run_seed, repeat: from the config. Arms of one repeat share both, so they share draws.
    purpose: what is drawn ("teacher", "select", ...). n: how often it was drawn before.
    """
    # Not `hash`, which differs between processes.
    name = json.dumps([run_seed, repeat, purpose, seed_id, n]).encode()
    digest = hashlib.sha256(name).digest()
    return Random(int.from_bytes(digest[:16], "big"))
