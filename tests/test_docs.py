"""What the docs list is what there is."""

from pathlib import Path

import pytest

from teachback.criteria import CRITERIA

DOCS = Path(__file__).parents[1] / "docs"


@pytest.mark.parametrize("name", [name for name in CRITERIA if name != "function"])
def test_every_criterion_has_its_row_and_its_section(name: str) -> None:
    text = (DOCS / "choose-a-criterion.md").read_text(encoding="utf-8")
    assert f"\n| `{name}` | " in text
    assert f"\n### `{name}`\n" in text
