"""The page's own CSS and JavaScript, and the policy that lets nothing else run."""

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from markupsafe import Markup


@dataclass(frozen=True)
class PageCode:
    """Whole texts of the page's <style> and <script> elements."""

    styles: tuple[Markup, ...]
    scripts: tuple[Markup, ...]
    # Of a page that a server keeps up to date: it may ask that server.
    is_live: bool = False

    @property
    def policy(self) -> str:
        """A Content-Security-Policy: no network at all, and no code but these texts.

        What a question or an answer may hold can't run, even if it got into the page unescaped.
        """
        return (
            "default-src 'none'; base-uri 'none'; form-action 'none'; "
            f"script-src {list_hashes(self.scripts)}; style-src {list_hashes(self.styles)}"
            + ("; connect-src 'self'" if self.is_live else "")
        )


def list_hashes(texts: Iterable[str]) -> str:
    return " ".join(f"'sha256-{hash_source(text)}'" for text in texts)


def hash_source(text: str) -> str:
    """As the policy wants it, of the element's exact text."""
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return base64.b64encode(digest).decode("ascii")


def make_page_code(css: str = "", js: str = "", *, is_live: bool = False) -> PageCode:
    """css, js: what the browser of rows adds."""
    names = ("page", "live") if is_live else ("page",)
    styles = [*(read_asset(f"{name}.css") for name in names), css]
    scripts = [*(read_asset(f"{name}.js") for name in names), js]
    return PageCode(
        tuple(mark_code(text) for text in styles if text),
        tuple(mark_code(text) for text in scripts if text),
        is_live,
    )


def mark_code(text: str) -> Markup:
    """A text of ours as it is: inside these elements nothing is escaped."""
    assert "</s" not in text.lower(), "it would end its element"
    assert "\r" not in text, "a browser reads other text than the hash is of"
    return Markup(text)


@cache
def read_asset(name: str) -> str:
    folder = files("teachback.pages") / "templates"
    return (folder / name).read_text(encoding="utf-8")
