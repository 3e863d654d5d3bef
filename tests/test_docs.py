"""What the docs list is what there is, and their lines fit a screen."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from teachback.criteria import CRITERIA

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted(DOCS.glob("*.md")),
]
MAX_LINE = 120
LONG_LINK = re.compile(r"\[[^\]]*\]\([^)]*\)|https?://\S+")


@pytest.mark.parametrize("name", [name for name in CRITERIA if name != "function"])
def test_every_criterion_has_its_row_and_its_section(name: str) -> None:
    text = (DOCS / "choose-a-criterion.md").read_text(encoding="utf-8")
    assert f"\n| `{name}` | " in text
    assert f"\n### `{name}`\n" in text


def prose_lines(text: str) -> Iterator[tuple[int, str]]:
    """Numbered lines, without code blocks, table rows and lines that hold a long link."""
    fenced = False
    for number, line in enumerate(text.split("\n"), start=1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith(("    ", "|")):
            continue
        elif not any(len(link[0]) > 60 for link in LONG_LINK.finditer(line)):
            yield number, line


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_prose_is_wrapped(page: Path) -> None:
    lines = prose_lines(page.read_text(encoding="utf-8"))
    too_long = [number for number, line in lines if len(line) > MAX_LINE]
    assert not too_long, f"lines of more than {MAX_LINE} characters"
