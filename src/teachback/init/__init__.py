"""The command `teachback init`: writes a config for a user's own JSONL file.

`survey` reads the file and guesses its columns, `guess` its grader, `sizes` shares out its rows,
and `compose` writes the YAML. A run reads that YAML and knows nothing of this package.
"""

from .guess import GraderGuess
from .propose import Proposal, propose_config

__all__ = ["GraderGuess", "Proposal", "propose_config"]
