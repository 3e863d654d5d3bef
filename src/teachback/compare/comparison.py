"""`teachback compare`: runs arms × repeats, and writes tables and plots of the results.

The arms of a repeat share the run seed, the teacher's draws, the training order and,
where the task makes its questions, the test set.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from ..build.finetune_choice import preview_finetune
from ..build.run import Arm, ReadyRun, make_ready_run
from ..build.task import make_task
from ..build.trackers import open_tracking
from ..config.config import Config
from ..config.needed_modules import require_config_modules
from ..errors import DiskError, MissingPackages, require_modules
from ..loop import teach
from ..pages.sources import SeedPool
from ..report.formatting import display_path
from ..run.directory import Event, Run
from ..run.identity import claim_comparison, read_kept_section, read_today
from ..student.model_size import find_model_size
from .arm_results import read_arm_result
from .page.render import PAGE_FILE, write_comparison_page
from .page.sources import add_arm_runs
from .places import BASE_ARM, RunPlace
from .scheduler import find_max_parallel_runs, run_units
from .shared_steps import copy_steps, find_equal_steps, find_shared_steps
from .summarise import Comparison, summarise_comparison
from .tables import write_comparison_csv
from .teacher_spend import read_comparison_spend
from .units import Unit, make_base_unit, make_units

# To see how many runs fit into memory.
COMPARISON_MODULES = ("psutil",)


def run_comparison(
    settings: Config,
    arms: Sequence[str],
    repeats: int,
    *,
    jobs: int | None = None,
    independent: bool = False,
    listen: Callable[[Event], None],
) -> Comparison:
    """Runs every arm in every repeat. Finished runs are read back.

    jobs: how many at a time; None: as many as fit. independent: the arms of a repeat
    share no draws, and each buys everything itself. Raises ConfigError for arms that
    don't exist.
    """
    require_config_modules(settings, trains=True)
    require_modules("a comparison", COMPARISON_MODULES)
    if jobs is None:
        student = settings.student
        size = find_model_size(student.model, student.revision)
        base = RunPlace(settings.run_dir, BASE_ARM, 0).folder
        begun = settings.model_copy(update={"run_dir": base})
        method = preview_finetune(begun, size).settings.chosen_method
        jobs = find_max_parallel_runs(size.parameters, method)
    is_parallel = jobs > 1
    units = make_units(
        settings, arms, repeats, is_parallel=is_parallel, independent=independent
    )
    bases = [make_base_unit(settings, repeat, is_parallel) for repeat in range(repeats)]
    refuse_misfits([*bases, *units])
    claim_comparison(settings.run_dir)
    # The sort is stable: within a repeat the base comes before the arms that copy from it
    in_order = sorted([*bases, *units], key=lambda unit: unit.place.repeat)
    run_units(run_unit, in_order, jobs, settings.machine.threads, listen)

    comparison = summarise_comparison(
        [read_arm_result(unit.place) for unit in units],
        arms,
        settings.primary,
        read_comparison_spend(settings.run_dir),
    )
    write_comparison_csv(settings.run_dir, comparison)
    leave_comparison_page(settings, comparison, listen)
    return comparison


def leave_comparison_page(
    settings: Config, comparison: Comparison, listen: Callable[[Event], None]
) -> None:
    """Or a note why there is none: it is no part of the comparison."""

    def make_pool(place: RunPlace) -> SeedPool:
        return SeedPool(make_task(settings.task, place.repeat).seeds)

    page = settings.run_dir / PAGE_FILE
    try:
        write_comparison_page(
            page, add_arm_runs(settings.run_dir, comparison, make_pool)
        )
    except (MissingPackages, DiskError) as error:
        note = f"there is no page of this comparison: {error}"
        listen(Event("note", 0, "compare", value=note))


def describe_comparison_files(folder: Path) -> str:
    """Which files of a finished comparison lie in its folder."""
    names = ["curves.csv", "findings.csv", PAGE_FILE]
    files = [name for name in names if (folder / name).exists()]
    return f"{', '.join(files[:-1])} and {files[-1]} lie in {display_path(folder)}"


def run_unit(unit: Unit, listen: Callable[[Event], None]) -> None:
    """Runs a unit to its end, or goes on with it."""
    config = pin_today(unit.config, unit.source_folder)
    config = pin_finetune(config, unit)
    place = unit.place
    arm = Arm(
        place.ledger,
        place.arm,
        unit.draw_group,
        unit.is_parallel,
        trains=not place.is_base,
    )
    with (
        Run(unit.folder, keep=config.keep, listen=listen) as run,
        make_ready_run(config, run, arm) as ready,
    ):
        if place.is_base:
            run_base(run, ready, unit.source_folder)
            return
        if unit.source_folder:
            shared = find_shared_steps(config.criterion)
            copy_steps(unit.source_folder, unit.folder, shared)
        group = place.root.name
        name = f"{group}-repeat-{place.repeat}-{place.arm}"
        with open_tracking(ready, run, name=name, group=group):
            teach(run, ready.parts, ready.base, ready.task.seeds, config.rounds)


def pin_today(config: Config, source_folder: Path | None) -> Config:
    """The config, with the day of the run whose steps are shared, if its prompts name one."""
    today = read_today(source_folder) if source_folder else None
    if today is None or config.student.today is not None:
        return config
    student = config.student.model_copy(update={"today": today})
    return config.model_copy(update={"student": student})


def pin_finetune(config: Config, unit: Unit) -> Config:
    """The config, with what the base's `auto` in the section `finetune` has become.

    All arms then train alike, on any machine. An arm with a method of its own takes only the
    method's own rate. A run that has begun keeps its own.
    """
    if unit.source_folder is None or (unit.folder / "config.json").exists():
        return config
    kept = read_kept_section(unit.source_folder, "finetune")
    chosen = {key: kept[key] for key in unit.chosen_by_base if key in kept}
    if config.finetune.method not in ("auto", kept.get("method")):
        chosen.pop("lr", None)
    finetune = config.finetune.fill(chosen)
    return config.model_copy(update={"finetune": finetune})


def refuse_misfits(units: Sequence[Unit]) -> None:
    """Raises StudentError if an arm of a new comparison can't be finetuned on this machine.

    Each unit is checked again when it starts.
    """
    if any((unit.folder / "config.json").exists() for unit in units):
        return
    for unit in units:
        student = unit.config.student
        size = find_model_size(student.model, student.revision)
        misfit = preview_finetune(unit.config, size).misfit
        if misfit and not unit.place.is_base:
            raise misfit


def run_base(run: Run, ready: ReadyRun, first_base: Path | None) -> None:
    """The untuned student's answers, for all arms of the repeat.

    first_base: the base of the first repeat, whose answers are copied where the questions
    are the same; None: this is the first.
    """
    parts = ready.parts
    student = ready.base
    if first_base:
        copy_steps(first_base, run.folder, find_equal_steps(first_base, run.folder))
    rows_at_start = run.step(0, "given", parts.initial_rows)
    run.step(0, "baseline", parts.evaluate, student)
    if parts.test:
        run.step(0, "test-baseline", parts.test, student)
    # With rows at the start, each repeat trains a student of its own before it answers
    # the seeds: there are no attempts to share
    if not rows_at_start:
        run.step(0, "attempt", parts.attempt, student, ready.task.seeds)
