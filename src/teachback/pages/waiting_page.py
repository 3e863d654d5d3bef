"""The page that a server shows while there is no run to show: a reader may leave it open."""

from dataclasses import dataclass

from .gains import Headline
from .page_code import make_page_code
from .rendering import PagePart, render_page


@dataclass(frozen=True)
class WaitingPage:
    """What the template of all pages shows."""

    name: str
    headline: Headline
    reasons: tuple[str, ...]
    parts: tuple[PagePart, ...] = (PagePart("waiting", "Waiting", "Waiting"),)
    settings: tuple[tuple[str, str], ...] = ()


def render_waiting_page(name: str, what: str, reason: str, version: str) -> str:
    """what: in large type. version: see `LiveProgress`."""
    headline = Headline(what, "", "This page looks again by itself")
    page = WaitingPage(name, headline, tuple(reason.splitlines()))
    code = make_page_code(is_live=True)
    return render_page("base.html.j2", page, code, live_version=version)
