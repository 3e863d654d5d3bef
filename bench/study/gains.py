"""python -m bench.study.gains FILE.svg: what selection gains on each of the study's pools.

It also prints the same numbers as the table of docs/findings.md.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from bench.outcome import RESULTS

# A pool, its experiment, and what the arm with the default `reuse_seeds: evenly` is called there.
# In proofs-once a seed is asked about once, which is what `evenly` does with 300 seeds.
POOLS = (
    ("ten skills, a third of the pool new", "forms-evenly", "loss_evenly"),
    ("proofs, one seed in ten new", "proofs-rare", "loss_evenly"),
    ("proofs, a third new", "proofs-once", "loss_once"),
    ("a third new, 100 seeds", "proofs-small", "loss_evenly"),
    ("a third new, bad seeds", "proofs-once_unlearnable", "loss_once"),
    ("100 seeds, bad seeds", "proofs-small_unlearnable", "loss_evenly"),
    ("all kinds equally frequent", "proofs-uniform", None),
    ("one kind only", "proofs-one_level", None),
    ("SmolLM2-135M, ProntoQA", "smollm2-gpu-smollm2", None),
)

# In units of the picture, which is WIDTH wide.
WIDTH, ROW_HEIGHT, TOP, BOTTOM = 600, 32, 64, 60
LEFT, POINT_WIDTH, FIRST_POINT, LAST_POINT = 262, 19, -7, 10
STYLE = """
.card{fill:#fff;stroke:#d0d7de} text{font:15px sans-serif;fill:#1f2328} .small{fill:#59636e}
.grid{stroke:#e3e7eb} .zero{stroke:#59636e} .evenly{stroke:#00796b;fill:#00796b}
.often{stroke:#d9822b;fill:#fff} line{stroke-width:1} .bar{stroke-width:2}
@media (prefers-color-scheme:dark){.card{fill:#1c2128;stroke:#444c56} text{fill:#e6edf3}
.small{fill:#9da7b1} .grid{stroke:#343b44} .zero{stroke:#9da7b1}
.evenly{stroke:#4db6ac;fill:#4db6ac} .often{stroke:#f0a050;fill:#1c2128}}
"""


@dataclass(frozen=True)
class Gain:
    """In points of area under the learning curve, over random, by generated pairs."""

    estimate: float
    low: float
    high: float

    def __str__(self) -> str:
        signed = f"{self.estimate:+.1f} [{self.low:.1f}, {self.high:.1f}]"
        return signed.replace("-", "−")


@dataclass(frozen=True)
class PoolGains:
    pool: str
    file: str
    repeats: int
    # With reuse_seeds: evenly, the default, and true. None: the pool was not tried with it.
    evenly: Gain | None
    often: Gain | None


def read_gains() -> list[PoolGains]:
    gains = []
    for pool, experiment, evenly_arm in POOLS:
        path = RESULTS / f"study-{experiment}.json"
        facts = json.loads(path.read_bytes())
        scores = facts["scores"]
        findings = (scores.get("uniform") or next(iter(scores.values())))["findings"]
        of_arm = {
            finding["arm"]: finding["difference"]
            for finding in findings
            if finding["axis"] == "generated" and finding["reference"] == "random"
        }
        evenly = in_points(of_arm[evenly_arm]) if evenly_arm else None
        often = in_points(of_arm["loss"])
        gains.append(PoolGains(pool, path.name, facts["repeats"], evenly, often))
    return gains


def in_points(difference: Mapping[str, Any]) -> Gain:
    return Gain(*(100 * difference[key] for key in ("estimate", "low", "high")))


def table_lines(gains: Sequence[PoolGains]) -> Iterator[str]:
    yield "| the pool | `loss`, `evenly` (default) | `loss`, `reuse_seeds: true` | repeats |"
    yield "|---|---:|---:|---:|"
    for one in gains:
        evenly = str(one.evenly or "not tried")
        yield f"| {one.pool} | {evenly} | {one.often} | {one.repeats} |"


def picture(gains: Sequence[PoolGains]) -> str:
    height = TOP + ROW_HEIGHT * len(gains) + BOTTOM
    bottom = height - BOTTOM + 4
    middle = x_of(0)
    body = [
        f'<rect class="card" x=".5" y=".5" width="{WIDTH - 1}" height="{height - 1}" rx="8"/>',
        text(16, 26, "Gain over random picks, in points with 95 % intervals"),
        text(middle - 8, TOP - 8, "worse", "small", "end"),
        text(middle + 8, TOP - 8, "better than random", "small"),
    ]
    for point in range(FIRST_POINT + 1, LAST_POINT, 2):
        kind = "zero" if point == 0 else "grid"
        x = x_of(point)
        body.append(
            f'<line class="{kind}" x1="{x}" y1="{TOP}" x2="{x}" y2="{bottom}"/>'
        )
        label = f"{point:+d}".replace("-", "−") if point else "0"
        body.append(text(x, bottom + 16, label, "small", "middle"))
    for i, one in enumerate(gains):
        y = TOP + ROW_HEIGHT * i + ROW_HEIGHT // 2
        body.append(text(LEFT - 4, y + 4, one.pool, "", "end"))
        body += mark(one.often, "often", y + (5 if one.evenly else 0))
        body += mark(one.evenly, "evenly", y - 5)
    legend = height - 16
    body += [
        f'<circle class="evenly" cx="40" cy="{legend - 4}" r="4"/>',
        text(50, legend, "loss, the defaults"),
        f'<circle class="often bar" cx="240" cy="{legend - 4}" r="4"/>',
        text(250, legend, "loss, which may ask about a seed again"),
    ]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}"><style>{STYLE}</style>'
    )
    return "\n".join([head, *body, "</svg>", ""])


def x_of(points: float) -> float:
    return round(LEFT + POINT_WIDTH * (points - FIRST_POINT), 1)


def mark(gain: Gain | None, kind: str, y: int) -> list[str]:
    if gain is None:
        return []
    low, high = x_of(gain.low), x_of(gain.high)
    return [
        f'<line class="{kind} bar" x1="{low}" y1="{y}" x2="{high}" y2="{y}"/>',
        f'<circle class="{kind} bar" cx="{x_of(gain.estimate)}" cy="{y}" r="4"/>',
    ]


def text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x}" y="{y}" text-anchor="{anchor}">{escape(words)}</text>'


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(picture(read_gains()), encoding="utf-8")
    print("\n".join(table_lines(read_gains())))
