"""A run's page with its browser of rows, for a run of 10,000 rows, in Chromium.

The run is made twice: with short texts, and with long ones.
Targets, for both: the first load within 1 s, each filter within 100 ms, and at most 3 MB for a
thousand rows. The gate: each filter shows as many rows as the run's files have.

A load is from the start of the navigation to the first frame with rows. A filter is from the
reader's event to the second frame after it; the search waits 120 ms for the next letter before.
"""

import base64
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from bench.outcome import Outcome
from bench.page_run import make_run
from bench.process import peak_mib, run_timed, spread
from teachback.commands.run_page import report_folder
from teachback.pages.row_browser import RowSources
from teachback.pages.row_browser.collect import RunRows, ShownDraft, collect_rows
from teachback.run.history import read_history

CHROMIUM = "/usr/bin/chromium"
ROUNDS = 5
PER_ROUND = 2000
REPEATS = 5
# Words in a question and in an answer.
LENGTHS = {"short": (40, 40), "long": (100, 250)}
MAX_LOAD_MS = 1000.0
MAX_FILTER_MS = 100.0
MAX_BYTES_PER_ROW = 3000.0
SEARCHED = "answer: 77"
# Controls of the browser, and what each is set to, one after the other.
FILTERS = (
    ("outcome", "rejected"),
    ("outcome", "drafts"),
    ("round", "1"),
    ("round", ""),
    ("reason", "wrong"),
    ("reason", ""),
    ("sort", "high"),
    ("sort", "round"),
    ("search", SEARCHED),
    ("search", ""),
)
# The milliseconds until the list was there, or until the texts were. Not playwright's own waiting:
# that evaluates strings in the page, which the policy forbids.
WAIT_FOR = """async (name) => {
  const find = () => performance.getEntriesByName(name)[0]?.duration;
  while (!find()) await new Promise(requestAnimationFrame);
  return find();
}"""
# Sets a control as a reader does. Returns the milliseconds, and the number of rows then shown.
SET_CONTROL = """async ([name, value]) => {
  const control = document.getElementById(`rows-${name}`);
  control.value = value;
  const started = performance.now();
  if (name === "search") control.form.requestSubmit();
  else control.dispatchEvent(new Event("change", {bubbles: true}));
  for (let frame = 0; frame < 2; frame++) await new Promise(requestAnimationFrame);
  const shown = document.getElementById("rows-count").textContent.split(" ")[0];
  return [performance.now() - started, Number(shown.replaceAll(",", ""))];
}"""

FilterName = tuple[str, str]


@dataclass(frozen=True)
class PageMeasure:
    load_ms: float  # the median
    filter_ms: float  # the slowest filter's median
    bytes_per_row: float
    is_right: bool
    facts: Mapping[str, Any]

    def missed(self, kind: str) -> list[str]:
        limits = (
            ("ms of a filter", self.filter_ms, MAX_FILTER_MS),
            ("bytes for a row", self.bytes_per_row, MAX_BYTES_PER_ROW),
        )
        return [
            f"{kind} texts: {got:.0f} {what}, target {limit:.0f}"
            for what, got, limit in limits
            if got > limit
        ]


def bench(quick: bool) -> Outcome:
    per_round, repeats = (40, 1) if quick else (PER_ROUND, REPEATS)
    measures = {}
    with TemporaryDirectory(prefix="teachback-") as name:
        for kind, (question_words, answer_words) in LENGTHS.items():
            folder = Path(name) / kind
            make_run(
                folder,
                rounds=ROUNDS,
                per_round=per_round,
                question_words=question_words,
                answer_words=answer_words,
            )
            measures[kind] = measure_page(folder, repeats)
    return Outcome(
        ratio=MAX_LOAD_MS / max(one.load_ms for one in measures.values()),
        target=1.0,
        same=all(one.is_right for one in measures.values()),
        rss_mib=peak_mib(),
        facts={kind: one.facts for kind, one in measures.items()},
        missed=[line for kind, one in measures.items() for line in one.missed(kind)],
    )


def measure_page(folder: Path, repeats: int) -> PageMeasure:
    page, write_s = run_timed(lambda: report_folder(folder, trust=True))
    times = time_browser(page, repeats)
    expected = count_rows(folder)
    size, n_rows = page.stat().st_size, expected["outcome", "drafts"]
    filters = {" ".join(name): spread(all, 1) for name, all in times.filters.items()}
    facts = {
        "chromium": times.chromium,
        "rows": n_rows,
        "rejected": expected["outcome", "rejected"],
        "page_mb": round(size / 1e6, 2),
        "bytes_per_row": round(size / n_rows),
        "notes": unpack_index(page)["notes"],
        "write_s": round(write_s, 2),
        "load_ms": spread(times.loads, 0),
        "texts_ms": spread(times.texts, 0),
        "filter_ms": filters,
    }
    return PageMeasure(
        load_ms=facts["load_ms"]["median"],
        filter_ms=max(one["median"] for one in filters.values()),
        bytes_per_row=size / n_rows,
        is_right=all(times.counts[name] == n for name, n in expected.items()),
        facts=facts,
    )


def count_rows(folder: Path) -> dict[FilterName, int]:
    """How many rows each filter has to show, as the run's steps have it."""
    rounds = read_history(folder).rounds
    rejected = [one for done in rounds for one in done.fresh.rejected]
    rows = [row for done in rounds for row in done.fresh.rows]
    second = rounds[1]
    n_all = len(rows) + len(rejected)
    shown = collect_rows(folder, RowSources())
    return {
        ("outcome", "rejected"): len(rejected),
        ("outcome", "drafts"): n_all,
        ("round", "1"): len(second.fresh.rows) + len(second.fresh.rejected),
        ("reason", "wrong"): sum(one.reason.startswith("wrong:") for one in rejected),
        ("sort", "high"): n_all,
        ("search", SEARCHED): sum(holds_text(draft, shown) for draft in shown.drafts),
        ("search", ""): n_all,
    }


def holds_text(draft: ShownDraft, rows: RunRows) -> bool:
    """In what was drafted, or in the student's answers before and after it."""
    assert draft.round is not None
    assert draft.seed is not None
    around = rows.attempts[draft.round : draft.round + 2]
    attempts = [by_seed[draft.seed].text for by_seed in around]
    return any(SEARCHED in (text or "").lower() for text in (draft.text, *attempts))


# -- in the browser ----------------------------------------------------------------------


class BrowserTimes(NamedTuple):
    """Milliseconds, and how many rows each filter shows."""

    chromium: str  # its version
    loads: list[float]
    texts: list[float]  # until the texts were unpacked, too
    filters: dict[FilterName, list[float]]
    counts: dict[FilterName, int]


def time_browser(page: Path, repeats: int) -> BrowserTimes:
    from playwright.sync_api import sync_playwright

    loads: list[float] = []
    texts: list[float] = []
    times: dict[FilterName, list[float]] = {name: [] for name in FILTERS}
    counts: dict[FilterName, int] = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"]
        )
        version = browser.version
        for _ in range(repeats):
            # A context of its own: nothing is kept from the load before.
            tab = browser.new_context(
                viewport={"width": 1440, "height": 900}
            ).new_page()
            tab.goto(page.as_uri())
            loads.append(tab.evaluate(WAIT_FOR, "rows-load"))
            texts.append(tab.evaluate(WAIT_FOR, "rows-texts"))
            for name in FILTERS:
                milliseconds, n = tab.evaluate(SET_CONTROL, list(name))
                times[name].append(milliseconds)
                counts[name] = n
            tab.context.close()
        browser.close()
    return BrowserTimes(version, loads, texts, times, counts)


def unpack_index(page: Path) -> dict[str, Any]:
    """What the list is made from."""
    text = page.read_text(encoding="utf-8")
    packed = text.partition('id="row-data">')[2].partition("</script>")[0]
    value: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(packed), -15))
    return value
