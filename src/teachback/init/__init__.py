"""The command `teachback init`: writes a config for a user's own rows.

`survey` reads them and guesses their columns, `guess` their grader, `sizes` shares them out, and
`compose` writes the YAML. A run reads that YAML and knows nothing of this package.
"""

from .guess import GraderGuess
from .picks import ColumnPicks
from .propose import Proposal, propose_config
from .render import example_lines

__all__ = ["ColumnPicks", "GraderGuess", "Proposal", "example_lines", "propose_config"]
