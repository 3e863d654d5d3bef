"""The browser of rows in the least page around it, and what a reader does there."""

import base64
import hashlib
import json
import zlib
from pathlib import Path
from typing import Any, NamedTuple

from teachback.pages.row_browser import RowBrowser, RowSources
from teachback.types import Row

# For a page on a busy machine.
PATIENCE_S = 20
# Escapes of what is not printed.
SHOWN_AS = {"\u202e": "\\u202e", "\u0007": "\\u0007"}


class BrowsedRun(NamedTuple):
    folder: Path
    sources: RowSources
    rows: tuple[Row, ...]
    reasons: dict[str, str]  # of the rejected ones, by id

    def list_ids(self) -> list[str]:
        """Of every draft, accepted or not."""
        return [*self.reasons, *(row.id for row in self.rows)]


def wrap_parts(parts: RowBrowser) -> str:
    """With a policy as strict as that of a run's page."""
    policy = (
        f"default-src 'none'; script-src {hash_source(parts.js)}; "
        f"style-src {hash_source(parts.css)}"
    )
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'>"
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>Rows</title><style>{parts.css}</style>"
        f"<body>{parts.html}<script>{parts.js}</script></body></html>"
    )


def hash_source(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def unpack(html: str, id: str) -> str:
    packed = html.partition(f'id="{id}">')[2].partition("</script>")[0]
    return zlib.decompress(base64.b64decode(packed), -15).decode()


def unpack_notes(html: str) -> list[str]:
    notes: list[str] = json.loads(unpack(html, "row-data"))["notes"]
    return notes


def visible(text: str) -> str:
    """As the page shows it."""
    for character, shown in SHOWN_AS.items():
        text = text.replace(character, shown)
    return text


def shown_count(tab: Any) -> int:
    return int(tab.inner_text("#rows-count").split(" ")[0])


def listed_ids(tab: Any) -> list[str]:
    """Of all rows that pass, in order: the list is scrolled from its start to its end."""
    ids: list[str] = tab.evaluate(LIST_IDS)
    assert len(ids) == shown_count(tab)
    return ids


LIST_IDS = """async () => {
  const list = document.getElementById("rows-list");
  const ids = [];
  for (let top = 0; top === 0 || top < list.scrollHeight; top += list.clientHeight) {
    list.scrollTop = top;
    for (let frame = 0; frame < 2; frame++) await new Promise(requestAnimationFrame);
    for (const option of list.querySelectorAll("[role=option]")) {
      ids[option.dataset.position] = option.firstChild.lastChild.textContent.trim();
    }
  }
  return ids;
}"""


def selected_id(tab: Any) -> str:
    line = tab.inner_text("[role=option][aria-selected=true] div:first-child")
    return str(line).rpartition(" ")[2]


def search(tab: Any, text: str) -> None:
    """As a reader types; the list follows when the typing has stopped."""
    filtered = "performance.getEntriesByName('rows-filter').length"
    before = tab.evaluate(filtered)
    tab.fill("#rows-search", text)
    wait_until(tab, f"{filtered} > {before}")


def wait_until(tab: Any, condition: str) -> None:
    """playwright's own waiting evaluates strings in the page, which its policy forbids."""
    tab.evaluate(
        f"""async () => {{
          const end = performance.now() + {1000 * PATIENCE_S};
          while (!({condition})) {{
            if (performance.now() > end) throw new Error({json.dumps(condition)});
            await new Promise((resolve) => setTimeout(resolve, 10));
          }}
        }}"""
    )


def open_row(tab: Any, row_id: str) -> str:
    search(tab, row_id)
    tab.focus("#rows-list")
    tab.keyboard.press("Home")
    while selected_id(tab) != row_id:
        tab.keyboard.press("ArrowDown")
    tab.keyboard.press("Enter")
    return str(tab.inner_text("#rows-detail"))
