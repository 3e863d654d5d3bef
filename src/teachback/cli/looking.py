"""Commands that read what a run has written, while it is at work or after: status, show."""

from ..config import options
from ..report.console import print_value
from ..report.replies import pair_facts, pair_lines
from ..report.run_status import status_facts, status_lines
from .app import app


@app.command("status")
def status_command(
    folder: options.RunFolder,
    costs: options.ShowCosts = False,
    as_json: options.JsonOutput = False,
) -> None:
    """What a run has done so far. Reads files only: safe while the run is at work."""
    from ..commands.read_run import read_status

    status = read_status(folder, with_costs=costs)
    print_value(status, as_json, status_facts, status_lines)


@app.command("show")
def show_command(
    folder: options.RunFolder,
    seed: options.ShownSeed = None,
    rejected: options.RejectedOnly = False,
    as_json: options.JsonOutput = False,
) -> None:
    """The teacher's raw replies, and what became of each. Safe while the run is at work."""
    from ..commands.read_run import read_pairs

    pairs = read_pairs(folder, seed, rejected)
    print_value(pairs, as_json, pair_facts, pair_lines)
