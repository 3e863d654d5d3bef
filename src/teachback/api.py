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
    from .commands.several_runs import RunDifferences, RunTable
    from .config.reading import ConfigSource
    from .config.tree import ConfigEdits
    from .export.export_run import Export
    from .export.hub.push import HubPush, HubUpload
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


def export(
    run: str | Path,
    *,
    to: str,
    out: str | Path | None = None,
    meta: bool = False,
    plain: bool = False,
    card: bool = False,
    force: bool = False,
    trust: bool = False,
    what: str | None = None,
    public: bool = False,
    confirm: Callable[[Sequence[HubUpload]], None] | None = None,
) -> Export | HubPush:
    """A run's rows or its student, in a form that other tools read.

    run: its directory; it may be under way. to: a form, as `teachback export --help` lists them.
    out: a file or a folder, which force may write over. meta: rows say where they are from. plain:
    rows are without the system message and the task's instruction. card: README.md beside a file.
    trust: the run may load a function that it names (docs/security.md).

    to="hub:ORGANISATION/NAME": it is pushed to the Hub. what: data, student, both, or a form.
    public: a new repository is public. confirm(uploads): called before anything is sent; what it
    raises stops the push.
    """
    from .export.export_run import export_run, require_out
    from .export.exported_run import read_exported_run
    from .export.hub.push import push_run
    from .export.hub.target import (
        is_hub_target,
        parse_hub_target,
        refuse_other_options,
    )

    refuse_other_options(
        to,
        local={"--out": out, "--card": card, "--force": force},
        hub={"--what": what, "--public": public},
    )
    exported_run = read_exported_run(
        Path(run), with_meta=meta, is_plain=plain, is_trusted=trust
    )
    if is_hub_target(to):
        target = parse_hub_target(to, what)
        return push_run(exported_run, target, is_public=public, confirm=confirm)
    return export_run(exported_run, to, require_out(out), force=force, card=card)


def diff(left: str | Path, right: str | Path) -> RunDifferences:
    """What differs between two runs, by their directories, and the first step at which they part.

    An arm of a comparison is a run: comparison/repeat-0/loss. Runs may be under way.
    """
    from .commands.several_runs import read_run_diff

    return read_run_diff(Path(left), Path(right))


def runs(folder: str | Path = "runs", *, all: bool = False) -> RunTable:
    """The runs below a folder, the last that changed first. all: those of comparisons too."""
    from .commands.several_runs import read_run_table

    return read_run_table(Path(folder), inner=all)


def report(
    folder: str | Path, *, to: str | Path | None = None, trust: bool = False
) -> Path:
    """A run or a comparison as one HTML file. Safe while it is at work: only files are read.

    folder: the run's or the comparison's. to: where the page is written (default: report.html
    there, or comparison.html). trust: the run may load a function that it names, for the seeds'
    questions (docs/security.md). Returns where the page is.
    """
    from .commands.run_page import report_folder

    page = Path(to) if to is not None else None
    return report_folder(Path(folder), page, trust=trust)
