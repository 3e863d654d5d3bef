"""Commands that read what runs have written: status, show, diff, runs, report."""

from functools import partial
from pathlib import Path

from .. import api
from ..config import options
from ..errors import ConfigError
from ..report.console import print_json, print_value, stderr, stdout
from ..report.formatting import display_path
from ..report.replies import pair_facts, pair_lines
from ..report.run_diff.words import diff_facts, diff_lines
from ..report.run_status import status_facts, status_lines
from ..report.run_table.words import listed_run_facts, run_table_lines
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


@app.command("diff")
def diff_command(
    left: options.LeftRun,
    right: options.RightRun,
    as_json: options.JsonOutput = False,
) -> None:
    """What differs between two runs, and the first step at which they part. Exit code 0 either
    way.
    """
    diff = api.diff(left, right)
    print_value(diff, as_json, diff_facts, diff_lines)


@app.command("runs")
def runs_command(
    folder: options.RunsFolder = Path("runs"),
    all: options.InnerRuns = False,
    as_json: options.JsonOutput = False,
) -> None:
    """A table of the runs below a folder, the last that changed first."""
    table = api.runs(folder, all=all)
    width = stdout.width if stdout.is_terminal else None
    print_value(
        table.runs,
        as_json,
        listed_run_facts,
        partial(run_table_lines, folder=folder, width=width),
    )


@app.command("report")
def report_command(
    folder: options.RunFolder,
    to: options.PagePath = None,
    serve: options.ServeLive = False,
    port: options.LivePort = None,
    trust: options.TrustRun = False,
    as_json: options.JsonOutput = False,
) -> None:
    """Write a run or a comparison as one HTML page. Reads files only: safe while it is at work."""
    if serve:
        if to is not None or as_json:
            raise ConfigError("--serve writes no file: leave out --to and --json")
        serve_page(folder, port or 0, trust)
        return
    if port is not None:
        raise ConfigError("--port is the server's: add --serve")
    page = api.report(folder, to=to, trust=trust)
    if as_json:
        print_json({"page": str(page)})
    else:
        stdout.print(f"the page: {display_path(page.absolute())}")


def serve_page(folder: Path, port: int, trust: bool) -> None:
    from ..commands.live_page import serve_run_page

    def announce(address: str) -> None:
        stderr.print(f"the page of the run, live until Ctrl-C: {address}")

    serve_run_page(folder, port, announce, trust=trust)
