"""`teachback compare`: arms × repeats side by side, and what can be said of them, as tables and as a page.

Arms of a repeat share the run seed, the teacher's draws, the training order and, where questions are made, the test
set. units.py says what lies where.
"""

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from ..config.config import Config, of_arm
from ..errors import ConfigError
from ..ledger.costs import PICODOLLARS_PER_USD
from ..ledger.queries import open_read_only
from ..run.directory import Event
from .curves import read_arm_result
from .page import write_page
from .side_by_side import max_parallel_runs, run_units
from .summary import Comparison, TeacherSpend, summarise_comparison
from .tables import write_comparison_csv
from .units import BASE_ARM, SHARED_LEDGER, Unit, make_base_unit, make_unit

PAGE_FILE = "comparison.html"


def run_comparison(
    settings: Config,
    arms: Sequence[str],
    repeats: int,
    *,
    jobs: int | None = None,
    independent: bool = False,
    listen: Callable[[Event], None],
) -> Comparison:
    """Every arm in every repeat, `jobs` at a time (None: as many as fit); what is finished is read back. independent:
    the arms of a repeat share no draws, and each buys everything itself.
    Raises ConfigError for arms that aren't criteria."""
    jobs = max_parallel_runs(settings) if jobs is None else jobs
    bases = [
        make_base_unit(settings, repeat, together=jobs > 1) for repeat in range(repeats)
    ]
    units = make_units(
        settings, arms, repeats, together=jobs > 1, independent=independent
    )
    in_order = sorted([*bases, *units], key=lambda unit: unit.config.repeat)
    run_units(in_order, jobs, settings.machine.threads, listen)
    result = summarise_comparison(
        [read_arm_result(unit) for unit in units],
        arms,
        settings.primary,
        read_sent_spend(settings.run_dir),
    )
    write_comparison_csv(settings.run_dir, result)
    if find_spec("plotly"):
        write_page(settings.run_dir / PAGE_FILE, result, units)
    else:
        listen(
            Event(
                "note", 0, "compare", value=f"no {PAGE_FILE}: pip install 'teachback[plots]'"
            )
        )
    return result


def read_sent_spend(folder: Path) -> TeacherSpend:
    with open_read_only(folder / SHARED_LEDGER) as ledger:
        bought = ledger.spend_of_all_arms()
    return TeacherSpend(
        bought.tokens,
        None if bought.unpriced_calls else (bought.usd + bought.in_doubt_usd) / PICODOLLARS_PER_USD,
    )


def make_units(
    settings: Config,
    arms: Sequence[str],
    repeats: int,
    *,
    together: bool = False,
    independent: bool = False,
) -> list[Unit]:
    """Of each repeat every arm, in their order. Raises ConfigError for arms that aren't there."""
    if len(set(arms)) != len(arms) or len(arms) < 2 or BASE_ARM in {*arms, *settings.arms}:
        raise ConfigError(
            "a comparison takes two arms or more, each once",
            got=", ".join(arms),
            allowed="as in --arms random,loss",
        )
    given = {
        arm: of_arm(settings, arm) for arm in {*arms, *settings.arms}
    }  # a mistake in any of them is told
    ruled = {
        arm
        for arm, changes in settings.arms.items()
        if any(name.split(".")[0] == "rule" for name in changes)
    }
    return [
        make_unit(
            given[arm],
            arm,
            repeat,
            together=together,
            independent=independent,
            own_rule=arm in ruled,
        )
        for repeat in range(repeats)
        for arm in arms
    ]
