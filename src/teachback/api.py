"""What the command line does, as functions with the names of the commands.

Each takes a config as a path, as plain data or as a Config. The keywords have the names of the
command's options; `changes` is its --set, as a list of "a.b=c" or as values by dotted name. They
work inside a running event loop, as in a notebook. All raise TeachbackError.

progress None: it is shown on a terminal and in a notebook, unless `listen` is given. True: in a
file, too. False: never. listen(event): is told what a run does.

`import teachback` loads this file, so what a function needs is imported inside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .commands.results import (
        ComparedArms,
        Evaluation,
        PlannedRun,
        RankedSeeds,
        Result,
    )
    from .config.reading import ConfigSource
    from .config.tree import ConfigEdits
    from .run.directory import Event

    Listener = Callable[[Event], None]


def run(
    config: ConfigSource,
    *,
    changes: ConfigEdits = (),
    run_dir: str | Path | None = None,
    progress: bool | None = None,
    listen: Listener | None = None,
) -> Result:
    """The whole loop. The same call again resumes, or returns what is finished."""
    from .commands.teaching import teach_student
    from .config.reading import resolve_config
    from .report.progress import run_with_progress

    settings = resolve_config(config, changes, run_dir)
    return run_with_progress(
        lambda listen: teach_student(settings, listen), progress, listen
    )


def plan(
    config: ConfigSource,
    *,
    probe: int = 0,
    changes: ConfigEdits = (),
    run_dir: str | Path | None = None,
) -> PlannedRun:
    """What a run will ask for: calls, tokens, money, student work, disk, and what the budget
    stops first.

    probe 0: from lengths, and nothing is sent or written. Else: measured with so many real pairs,
    which count against the budget and which the run finds, and as many student steps.
    """
    from .commands.results import PlannedRun
    from .config.reading import resolve_config
    from .plan.make import make_plan
    from .report.progress import run_with_progress

    settings = resolve_config(config, changes, run_dir)
    plan = run_with_progress(lambda listen: make_plan(settings, probe), progress=False)
    return PlannedRun(**vars(plan))


def select(
    config: ConfigSource,
    n: int,
    *,
    changes: ConfigEdits = (),
    run_dir: str | Path | None = None,
    progress: bool | None = None,
    listen: Listener | None = None,
) -> RankedSeeds:
    """The criterion without the loop: the untuned student's n seeds, ranked.

    No teacher is asked.
    """
    from .commands.ranking import rank_seeds
    from .config.reading import resolve_config
    from .report.progress import run_with_progress

    settings = resolve_config(config, changes, run_dir)
    return run_with_progress(
        lambda listen: rank_seeds(settings, n, listen), progress, listen
    )


def compare(
    config: ConfigSource,
    *,
    arms: str | Sequence[str] | None = None,
    repeats: int = 3,
    jobs: int | None = None,
    independent_draws: bool = False,
    changes: ConfigEdits = (),
    run_dir: str | Path | None = None,
    progress: bool | None = None,
    listen: Listener | None = None,
) -> ComparedArms:
    """Several criteria on the same seeds and draws. Finished runs are read back.

    arms: criteria, or names in the config's `arms`, as a list or with commas; None: random, and
    the config's arms or else loss. jobs: runs at a time; None: as many as fit.
    independent_draws: arms share nothing, and each buys everything itself.
    """
    from .commands.results import ComparedArms
    from .compare.comparison import run_comparison
    from .compare.units import list_arms
    from .config.reading import resolve_config
    from .report.progress import run_with_progress

    settings = resolve_config(config, changes, run_dir, is_comparison=True)
    comparison = run_with_progress(
        lambda listen: run_comparison(
            settings,
            list_arms(settings, arms),
            repeats,
            jobs=jobs,
            independent=independent_draws,
            listen=listen,
        ),
        progress,
        listen,
    )
    return ComparedArms(**vars(comparison), run_dir=str(settings.run_dir))


def evaluate(
    run_or_config: ConfigSource,
    *,
    split: str = "test",
    base: bool = False,
    student: str | Path | None = None,
    n: int | None = None,
    samples: int = 0,
    temperature: float | None = None,
    trust: bool = False,
    changes: ConfigEdits = (),
    run_dir: str | Path | None = None,
    progress: bool | None = None,
    listen: Listener | None = None,
) -> Evaluation:
    """A student on test or dev. Nothing else asks test questions.

    run_or_config: a run's directory, whose student is measured (base: the untuned one); or a
    config, whose own student is. student: a folder or a name in its place, asked as the config
    says. n: the split's first n questions only. samples: sampled answers to each question beside
    the greedy one, for pass@k. temperature: of these; 0.8 by default. trust: a run's directory may
    start what it names: a server, functions, requests (docs/security.md).

    A run's two students on a whole split, without samples, are steps of the run. All else is kept
    in a folder beside it, which `listen` is told. The same call again resumes, or returns what is
    finished.
    """
    from .commands.evaluation import (
        EvaluationRequest,
        evaluate_any_student,
        is_run,
        read_measured_config,
    )
    from .report.progress import run_with_progress

    settings = read_measured_config(run_or_config, changes, run_dir, trust=trust)
    request = EvaluationRequest(split, n, samples, temperature)
    return run_with_progress(
        lambda listen: evaluate_any_student(
            settings,
            request,
            listen,
            is_of_run=is_run(run_or_config),
            base=base,
            student=student,
        ),
        progress,
        listen,
    )
