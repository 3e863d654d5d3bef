"""Writes the card of what was exported: README.md, as the Hub reads it."""

from pathlib import Path
from typing import Literal, NamedTuple

from ...errors import require_modules
from ...run.files import commit_file
from ..exported_run import ExportedRun
from .data_card import data_card_lines, make_data_metadata
from .facts import CardFacts
from .model_card import make_model_metadata, model_card_lines

CARD_FILE = "README.md"
CARD_MODULES = ("huggingface_hub",)
# What a reader of a local card puts a place of their own for.
ANY_PLACE = "FOLDER OR ORGANISATION/NAME"


class CardRequest(NamedTuple):
    """What a card is of."""

    kind: Literal["data", "student"]
    form: str  # in which it was exported
    path: Path  # the file, or the folder
    repo_id: str | None = (
        None  # where it will be on the Hub; None: the card is of local files
    )
    dataset: str | None = None  # where the rows are on the Hub


def find_card_path(path: Path) -> Path:
    """In a folder that was exported, or beside a file."""
    return (path if path.is_dir() else path.parent) / CARD_FILE


def write_card(run: ExportedRun, request: CardRequest) -> Path:
    """Raises ConfigError for a run without a finished round."""
    content = make_card(run, request)
    path = find_card_path(request.path)
    commit_file(path, content.encode())
    return path


def make_card(run: ExportedRun, request: CardRequest) -> str:
    """The card's text, as huggingface_hub's own reader takes it."""
    require_modules("a card", CARD_MODULES)
    from huggingface_hub import DatasetCard, DatasetCardData, ModelCard, ModelCardData

    name = (request.repo_id or str(run.folder.absolute())).rpartition("/")[2]
    facts = CardFacts(run, name, request.repo_id or ANY_PLACE)
    options = describe_options(run, request)
    if request.kind == "data":
        data = DatasetCardData(**make_data_metadata(facts, request.path))
        lines = data_card_lines(facts, request.path, options)
        return str(DatasetCard(join_card(data.to_yaml(), "\n".join(lines))))
    data = ModelCardData(**make_model_metadata(facts, request.form, request.dataset))
    lines = model_card_lines(facts, request.form, options)
    return str(ModelCard(join_card(data.to_yaml(), "\n".join(lines))))


def join_card(metadata: str, text: str) -> str:
    return f"---\n{metadata}\n---\n\n{text.rstrip()}\n"


def describe_options(run: ExportedRun, request: CardRequest) -> str:
    """Of the command that writes the same again."""
    path = request.path
    out = path.name if request.path.is_file() else f"{path.name}/"
    options = [f"--to {request.form}", f"--out {out}"]
    if request.kind == "data" and run.with_meta:
        options.append("--meta")
    if request.kind == "data" and run.is_plain:
        options.append("--plain")
    if path.is_file():
        options.append("--card")
    return " ".join(options)
