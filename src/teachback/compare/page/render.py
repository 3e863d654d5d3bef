"""A comparison as one HTML file, in the order in which a reader asks."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from ...config.reading import read_run_config
from ...errors import require_modules
from ...pages.charts import ScatterChart
from ...pages.gains import Headline
from ...pages.page_code import make_page_code
from ...pages.rendering import PAGE_MODULES, PagePart, render_page
from ...run.files import commit_file
from ..findings import Finding
from ..sentences import describe_finding, is_beyond_chance
from ..summarise import Comparison
from ..tables import describe_carry_over, describe_teacher_spend
from .curves import ArmCurves, collect_curves
from .differences import Differences, collect_differences
from .picks import ArmPicks, collect_picks, draw_loss_panels
from .runs import RunLinks, collect_run_links
from .sources import ComparisonSources
from .wins import Wins, collect_wins

PAGE_FILE = "comparison.html"
PACKAGE = "teachback.compare.page"


@dataclass(frozen=True)
class ArmTransfers:
    """The losses of seeds and of their rows."""

    sentence: str | None
    charts: tuple[ScatterChart, ...]


@dataclass(frozen=True)
class ComparisonPage:
    """What the template shows. All but `runs` is None while no arms can be compared."""

    name: str
    headline: Headline
    notes: tuple[str, ...]
    curves: ArmCurves | None
    differences: Differences | None
    wins: Wins | None
    picks: ArmPicks | None
    transfers: ArmTransfers | None
    runs: RunLinks
    spending: str | None
    settings: tuple[tuple[str, str], ...]

    @property
    def parts(self) -> Iterator[PagePart]:
        if self.curves:
            yield PagePart("curves", "Curves", "Accuracy against each budget")
        if self.differences:
            yield PagePart("differences", "Differences", "Is it more than chance?")
        if self.wins:
            yield PagePart("wins", "Wins", "Which arm beats which?")
        if self.picks:
            yield PagePart("picks", "Selection", "What the arms selected")
        if self.transfers and self.transfers.charts:
            yield PagePart("transfer", "Carry-over", "Carry-over")
        yield PagePart("runs", "Runs", "Every run")


def write_comparison_page(path: Path, sources: ComparisonSources) -> None:
    """Raises MissingPackages without jinja2, and DiskError."""
    require_modules("the page of a comparison", PAGE_MODULES)
    text = render_comparison_page(make_comparison_page(sources, path))
    commit_file(path, text.encode("utf-8"))


def render_comparison_page(page: ComparisonPage) -> str:
    css = (files(PACKAGE) / "templates" / "comparison.css").read_text(encoding="utf-8")
    return render_page("comparison.html.j2", page, make_page_code(css), package=PACKAGE)


def make_comparison_page(sources: ComparisonSources, path: Path) -> ComparisonPage:
    """path: where it will lie."""
    comparison = sources.comparison
    return ComparisonPage(
        name=sources.root.absolute().name,
        headline=write_comparison_headline(sources),
        notes=sources.notes,
        curves=collect_curves(comparison) if comparison else None,
        differences=collect_differences(comparison) if comparison else None,
        wins=collect_wins(comparison) if comparison else None,
        picks=collect_picks(sources) if comparison else None,
        transfers=collect_arm_transfers(sources, comparison) if comparison else None,
        runs=collect_run_links(sources, path),
        spending=describe_teacher_spend(comparison) if comparison else None,
        settings=tuple(list_shared_settings(sources)),
    )


def write_comparison_headline(sources: ComparisonSources) -> Headline:
    """The primary comparison in large type; without it, the first one."""
    comparison = sources.comparison
    state = describe_progress(sources)
    if comparison is None or not comparison.findings:
        return Headline("nothing to compare yet", ", ".join(sources.arms), state)
    primary = [finding for finding in comparison.findings if finding.primary]
    finding = (primary or comparison.findings)[0]
    return Headline(describe_size(finding), describe_finding(finding), state)


def describe_size(finding: Finding) -> str:
    if finding.difference is None:
        return "one repeat"
    if not is_beyond_chance(finding):
        return "no clear difference"
    return f"{100 * finding.difference.estimate:+.1f} points".replace("-", "−")


def describe_progress(sources: ComparisonSources) -> str:
    n_done = sum(run.is_done for run in sources.runs)
    n_repeats = len(sources.repeats)
    line = (
        f"{n_repeats} repeat{'' if n_repeats == 1 else 's'} of {len(sources.arms)} arms"
    )
    if sources.comparison:
        line += f", accuracy on {sources.comparison.split}"
    if n_done < len(sources.runs):
        line += f"; {n_done} of {len(sources.runs)} runs that have begun are done"
    return line


def collect_arm_transfers(
    sources: ComparisonSources, comparison: Comparison
) -> ArmTransfers:
    sentence = describe_carry_over(comparison)
    return ArmTransfers(sentence, tuple(draw_loss_panels(sources)))


def list_shared_settings(sources: ComparisonSources) -> Iterator[tuple[str, str]]:
    """Of the first run, what no arm may change."""
    if not sources.runs:
        return
    config = read_run_config(sources.runs[0].place.folder)
    yield "task.name", config.task.name
    yield "student.model", config.student.model
    yield "teacher.name", config.teacher.name
    yield "seed", str(config.seed)
