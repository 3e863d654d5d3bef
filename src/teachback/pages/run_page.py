"""A run as one HTML file, in the order in which a reader asks."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import require_modules
from ..report.diagnosis.diagnosis import Diagnosis
from ..report.diagnosis.evidence import read_settings
from ..report.diagnosis.values import Cause, FailedAnswer
from ..report.diagnosis.words import headline, next_step_lines, shorten_text
from ..run.files import commit_file
from ..run.steps import STEPS
from .costs import Costs, collect_costs
from .gains import Gains, Headline, collect_gains, write_headline
from .page_code import make_page_code
from .rendering import PAGE_MODULES, PagePart, render_page
from .row_browser import render_row_browser
from .selections import Selections, collect_selections
from .sources import SHOWN_SETTINGS, PageSources
from .transfers import Transfers, collect_transfers
from .yields import Yields, collect_yields

PAGE_FILE = "report.html"
MAX_FAILED_CHARS = 2000  # of a text of a failed answer


@dataclass(frozen=True)
class FailedQuestion:
    id: str
    texts: tuple[tuple[str, str], ...]  # what each is, and the text

    @classmethod
    def of(cls, failed: FailedAnswer) -> "FailedQuestion":
        named = (
            ("question", failed.question),
            ("gold answer", failed.gold),
            ("before", failed.before.strip() or "(nothing)"),
            ("after", failed.after.strip() or "(nothing)"),
            ("why it is not right", failed.reason),
        )
        texts = [
            (name, shorten_text(text, MAX_FAILED_CHARS)) for name, text in named if text
        ]
        return cls(failed.id, tuple(texts))


@dataclass(frozen=True)
class DiagnosisView:
    """Why the run gained nothing, with its sentences written out."""

    headline: str
    causes: tuple[Cause, ...]
    failed: tuple[FailedQuestion, ...]
    next_steps: str

    @classmethod
    def of(cls, diagnosis: Diagnosis) -> "DiagnosisView":
        return cls(
            headline(diagnosis.change, diagnosis.n_questions),
            diagnosis.causes,
            tuple(map(FailedQuestion.of, diagnosis.failed)),
            "\n".join(line[2:] for line in next_step_lines(diagnosis.next_steps)),
        )


@dataclass(frozen=True)
class RunPage:
    """What the template shows. A part that a run has not come to yet is None."""

    name: str
    headline: Headline
    gains: Gains | None
    costs: Costs
    selections: Selections | None
    yields: Yields | None
    transfers: Transfers | None
    diagnosis: DiagnosisView | None
    settings: tuple[tuple[str, str], ...]

    @property
    def parts(self) -> Iterator[PagePart]:
        """The sections that have anything to show, in the order of a reader's questions."""
        if self.gains:
            yield PagePart("help", "Did it help?", "Did it help?")
        yield PagePart("costs", "Cost", "What it cost")
        if self.selections:
            yield PagePart("selection", "Selection", "What was selected, and why")
        if self.yields:
            yield PagePart("yield", "Yield", "From drafts to rows")
        if self.transfers:
            yield PagePart("carry-over", "Carry-over", "Carry-over")
        if self.yields and self.yields.overlaps:
            yield PagePart("warnings", "Warnings", "Rows to look at")
        if self.diagnosis:
            yield PagePart("diagnosis", "Diagnosis", "Why nothing was gained")
        yield PagePart("rows", "Rows", "Every row")


def write_run_page(path: Path, sources: PageSources) -> None:
    """Raises MissingPackages without jinja2, DiskError, and DataError for a damaged run."""
    require_modules("the page of a run", PAGE_MODULES)
    commit_file(path, render_run_page(sources).encode("utf-8"))


def render_run_page(sources: PageSources, live_version: str | None = None) -> str:
    """live_version: for a page that is kept up to date, which one it is."""
    from markupsafe import Markup

    browser = render_row_browser(sources.folder, sources.rows)
    return render_page(
        "run.html.j2",
        make_run_page(sources),
        make_page_code(browser.css, browser.js, is_live=live_version is not None),
        browser=Markup(browser.html),
        live_version=live_version,
    )


def make_run_page(sources: PageSources) -> RunPage:
    diagnosis = sources.status.diagnosis
    return RunPage(
        name=sources.folder.absolute().name,
        headline=write_headline(sources, describe_next_step(sources)),
        gains=collect_gains(sources),
        costs=collect_costs(sources),
        selections=collect_selections(sources),
        yields=collect_yields(sources),
        transfers=collect_transfers(sources),
        diagnosis=DiagnosisView.of(diagnosis) if diagnosis else None,
        settings=tuple(list_settings(sources)),
    )


def describe_next_step(sources: PageSources) -> str:
    """What comes next in a run that is not finished."""
    history = sources.status.history
    is_measured = history.baseline is not None
    return STEPS[history.next_step if is_measured else "baseline"].doing


def list_settings(sources: PageSources) -> Iterator[tuple[str, str]]:
    """(key, value), where the run has it."""
    settings = read_settings(sources.folder)
    for key in SHOWN_SETTINGS:
        if settings.get(key) is not None:
            yield key, str(settings[key])
