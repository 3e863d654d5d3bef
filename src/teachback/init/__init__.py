"""The command `teachback init`: from a file of one's own to a config that can be run.

It looks, says what it saw, and asks where it can't tell; a run knows nothing of it.
"""

from .guess import Guess
from .propose import Proposal, propose

__all__ = ["Guess", "Proposal", "propose"]
