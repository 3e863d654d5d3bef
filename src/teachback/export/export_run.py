"""`teachback export`: a run in one of the forms."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import ConfigError, require_modules
from ..report.result_view import ResultView
from ..report.values import is_round_open
from .cards.card import CARD_FILE, CARD_MODULES, CardRequest, write_card
from .exported_run import ExportedRun
from .forms import FORMS, ExportForm


@dataclass(frozen=True, repr=False)
class Export(ResultView):
    """What was written. Its table: files."""

    form: str
    out: Path  # the file, or the folder
    rounds: int  # finished ones, whose rows and student these are
    rows: int  # of these rounds, and those that were there from the start
    is_run_open: bool  # a round is under way, and has no part in it
    lines: tuple[str, ...]  # for a person to read

    def describe(self) -> str:
        return self.lines[0]

    def tables(self) -> Mapping[str, Callable[[], Sequence[Mapping[str, object]]]]:
        return {"files": lambda: [export_facts(self)]}

    @property
    def facts(self) -> Mapping[str, object]:
        return export_facts(self)


def export_run(
    run: ExportedRun,
    to: str,
    out: Path,
    *,
    force: bool = False,
    card: bool = False,
    repo_id: str | None = None,
    dataset: str | None = None,
) -> Export:
    """A form that is a folder holds its card; one that is a file has it beside it, if `card`.

    repo_id, dataset: where it and the rows will be on the Hub, for the card. Raises ConfigError
    for no such form, for what is there already, and for nothing to write.
    """
    form = find_form(to)
    has_card = card or not form.file_name
    require_modules(f"--to {to}", (*form.modules, *(CARD_MODULES if has_card else ())))
    path = choose_path(form, out)
    refuse_overwriting(path, force=force)
    if has_card and form.file_name:
        refuse_overwriting(path.with_name(CARD_FILE), force=force)
    lines = form.export(run, path)
    if has_card:
        request = CardRequest(form.kind, to, path, repo_id, dataset)
        lines = [*lines, f"its card is {write_card(run, request)}"]
    return Export(
        form=to,
        out=path,
        rounds=len(run.history.rounds),
        rows=run.count_rows(),
        is_run_open=is_round_open(run.history),
        lines=tuple(lines),
    )


def require_out(out: str | Path | None) -> Path:
    if out is None:
        raise ConfigError("--out is missing", fix="--out FILE, or a folder")
    return Path(out)


def find_form(name: str) -> ExportForm:
    form = FORMS.get(name)
    if form is None:
        raise ConfigError("--to", got=name, allowed=", ".join(FORMS))
    return form


def choose_path(form: ExportForm, out: Path) -> Path:
    """The form's own name in a folder that is there."""
    return out / form.file_name if form.file_name and out.is_dir() else out


def refuse_overwriting(path: Path, *, force: bool) -> None:
    """Raise ConfigError for what is there already; an empty folder isn't."""
    is_there = path.exists() or path.is_symlink()
    is_empty = path.is_dir() and not any(path.iterdir())
    if is_there and not is_empty and not force:
        raise ConfigError(
            f"{path} is there already",
            fix="--out ANOTHER, or --force to write over it",
        )


def export_facts(export: Export) -> Mapping[str, object]:
    """What `--json` prints."""
    return {**vars(export), "out": str(export.out), "lines": list(export.lines)}
