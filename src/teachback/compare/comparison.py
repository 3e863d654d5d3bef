"""`teachback compare`: runs arms × repeats, and writes what can be said of them.

The arms of a repeat share the run seed, the teacher's draws, the training order and,
where the task makes its questions, the test set.
"""

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from ..build.task import make_task
from ..config.config import Config
from ..config.reading import make_arm_config
from ..errors import ConfigError
from ..ledger.costs import PICODOLLARS_PER_USD
from ..ledger.queries import open_read_only
from ..run.directory import Event
from ..student.model_size import find_model_size
from .arm_results import read_arm_result, read_arm_run
from .page import write_page
from .places import BASE_ARM, RunPlace
from .plots import Plot, learning_curve_plots
from .scheduler import max_parallel_runs, run_units
from .selection_plots import selection_plots
from .summarise import Comparison, TeacherSpend, summarise_comparison
from .tables import write_comparison_csv
from .units import Unit, make_base_unit, make_unit

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
    """Runs every arm in every repeat; finished runs are read back.

    jobs: how many at a time; None: as many as fit. independent: the arms of a repeat
    share no draws, and each buys everything itself. Raises ConfigError for arms that
    don't exist.
    """
    if jobs is None:
        student = settings.student
        size = find_model_size(student.model, student.revision)
        jobs = max_parallel_runs(size.parameters, settings.finetune.method)
    parallel = jobs > 1
    units = make_units(
        settings, arms, repeats, parallel=parallel, independent=independent
    )
    bases = [make_base_unit(settings, repeat, parallel) for repeat in range(repeats)]
    in_order = sorted([*bases, *units], key=lambda unit: unit.place.repeat)
    run_units(in_order, jobs, settings.machine.threads, listen)

    comparison = summarise_comparison(
        [read_arm_result(unit.place) for unit in units],
        arms,
        settings.primary,
        read_sent_spend(settings.run_dir),
    )
    write_comparison_csv(settings.run_dir, comparison)
    if find_spec("plotly"):
        plots = make_plots(settings, comparison, units)
        write_page(settings.run_dir / PAGE_FILE, comparison, plots)
    else:
        note = f"no {PAGE_FILE}: pip install 'teachback[plots]'"
        listen(Event("note", 0, "compare", value=note))
    return comparison


def make_units(
    settings: Config,
    arms: Sequence[str],
    repeats: int,
    *,
    parallel: bool = False,
    independent: bool = False,
) -> list[Unit]:
    """Every arm of the first repeat, then of the second, and so on.

    Raises ConfigError for arms that don't exist.
    """
    twice = len(set(arms)) != len(arms)
    if twice or len(arms) < 2 or BASE_ARM in {*arms, *settings.arms}:
        raise ConfigError(
            "a comparison takes two arms or more, each once",
            got=", ".join(arms),
            allowed="as in --arms random,loss",
        )
    # Also arms that are not compared, so that a mistake in any of them is refused
    arm_settings = {
        arm: make_arm_config(settings, arm) for arm in {*arms, *settings.arms}
    }
    return [
        make_unit(
            arm_settings[arm],
            arm,
            repeat,
            parallel=parallel,
            independent=independent,
            own_rule=sets_rule(settings, arm),
        )
        for repeat in range(repeats)
        for arm in arms
    ]


def sets_rule(settings: Config, arm: str) -> bool:
    """Whether the arm itself changes the rule."""
    changes = settings.arms.get(arm, {})
    return any(name.split(".")[0] == "rule" for name in changes)


def read_sent_spend(folder: Path) -> TeacherSpend:
    """What was really bought in the comparison in this folder."""
    ledger_path = RunPlace(folder, BASE_ARM, 0).ledger
    with open_read_only(ledger_path) as ledger:
        spend = ledger.spend_of_all_arms()
    usd = None
    if not spend.unpriced_calls:
        usd = (spend.usd + spend.in_doubt_usd) / PICODOLLARS_PER_USD
    return TeacherSpend(spend.tokens, usd)


def make_plots(
    settings: Config, comparison: Comparison, units: Sequence[Unit]
) -> list[Plot]:
    tasks = [make_task(settings.task, repeat) for repeat in range(comparison.repeats)]
    seeds = {repeat: task.seeds for repeat, task in enumerate(tasks)}
    runs = [read_arm_run(unit.place) for unit in units]
    return [
        *learning_curve_plots(comparison),
        *selection_plots(comparison, runs, seeds, tasks[0].by),
    ]
