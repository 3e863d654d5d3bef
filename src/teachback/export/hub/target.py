"""Where on the Hub an export goes, and what goes there."""

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple

from ...errors import ConfigError
from ..forms import FORMS

HUB_PREFIX = "hub:"
REPO_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
# What is short for which forms.
FORMS_OF_SHORT_NAME: Mapping[str, tuple[str, ...]] = {
    "data": ("messages",),
    "student": ("safetensors",),
    "both": ("messages", "safetensors"),
}
RepoType = Literal["dataset", "model"]


class HubTarget(NamedTuple):
    repo_id: str  # ORGANISATION/NAME, of a data set, of a model, or of one of each
    forms: tuple[str, ...]


def is_hub_target(to: str) -> bool:
    return to.startswith(HUB_PREFIX)


def refuse_other_options(
    to: str, *, local: Mapping[str, object], hub: Mapping[str, object]
) -> None:
    """Raise ConfigError for an option that would do nothing. local, hub: by the kind of export."""
    needless = local if is_hub_target(to) else hub
    given = [name for name, value in needless.items() if value]
    if given:
        place = "the Hub" if is_hub_target(to) else "a file or a folder"
        raise ConfigError(
            f"{', '.join(given)} means nothing for an export to {place}",
            got=f"--to {to}",
            fix="leave it out",
        )


def parse_hub_target(to: str, what: str | None) -> HubTarget:
    """to: hub:ORGANISATION/NAME. what: a form, or what is short for some."""
    repo_id = to.removeprefix(HUB_PREFIX)
    if not REPO_NAME.fullmatch(repo_id):
        raise ConfigError(
            "--to",
            got=to,
            allowed=f"{HUB_PREFIX}ORGANISATION/NAME: letters, digits and . _ -",
        )
    known = {**FORMS_OF_SHORT_NAME, **{name: (name,) for name in FORMS}}
    if what not in known:
        raise ConfigError(
            "--to hub:… needs --what: the rows, the student, or one of their forms",
            got=what,
            allowed=", ".join(known),
            fix="--what data",
        )
    return HubTarget(repo_id, known[what])


def find_repo_type(form: str) -> RepoType:
    return "dataset" if FORMS[form].kind == "data" else "model"
