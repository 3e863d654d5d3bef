"""The command line: it calls api.py, and prints lines or JSON of the result.

Each file has the commands of one kind. Exit codes: 0 done, 2 config, data or disk, 3 budget closed
early, 4 the teacher is down or gives nothing usable, 130 stopped (Ctrl-C, SIGTERM), 1 anything
else.
"""

from functools import partial

from ..report.failures import run_command_line

# In the order in which `teachback --help` lists the commands.
# isort: off
from . import teaching
from . import preparing
from . import looking
from . import sharing

# isort: on
from .app import app

__all__ = ["app", "looking", "main", "preparing", "sharing", "teaching"]


def main() -> None:
    """The entry point. An error becomes a message and its exit code, not a traceback."""
    # The name is what completion and usage call it, however it was started.
    run_command_line(partial(app, prog_name="teachback"))
