"""Pages from templates: every page has the same head, parts and policy."""

from typing import Any, NamedTuple

from ..errors import escape_controls
from .page_code import PageCode

TEMPLATE_PACKAGE = "teachback.pages"
PAGE_MODULES = ("jinja2",)


class PagePart(NamedTuple):
    """A section. Its template is templates/ID.html.j2."""

    id: str
    name: str  # in the list of parts
    title: str

    @property
    def template(self) -> str:
        return f"{self.id}.html.j2"


def render_page(
    template: str,
    page: object,
    code: PageCode,
    *,
    package: str = TEMPLATE_PACKAGE,
    **values: object,
) -> str:
    """package: where the page's own templates are, beside those that all pages share.

    page: what `base.html.j2` shows: its name, headline, parts and settings.
    """
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    packages = dict.fromkeys([package, TEMPLATE_PACKAGE])
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(name) for name in packages]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=show_hidden_characters,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(page=page, code=code, **values)


def show_hidden_characters(value: Any) -> Any:
    """Of every text that the template prints: what would turn or hide others is an escape."""
    return escape_controls(value) if type(value) is str else value
