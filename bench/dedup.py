"""Near-duplicates in a stream: 50,000 texts in batches of 500, each compared with all that were kept before it.

Ours is `curate.near.Near` (rensa). The peer is datasketch's MinHash (`update_batch`) and MinHashLSH, given all else as
ours: the same shingles, 120 values, 20 bands of 6, and candidates verified by true Jaccard with the same function. Its
slower `update`, a shingle at a time, and its faster `bulk` are measured on a part of the texts. Everything counts:
cutting into shingles, sketching, asking, verifying, adding. One thread each.

4 % of the texts are near-duplicates of another one, half of them with a true Jaccard of exactly 0.8, half 0.9. The
gate is ours: nothing reported that is not as alike as reported, and at least 0.95 of either kind found.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import accumulate
from pathlib import Path
from random import Random
from statistics import fmean
from sys import getsizeof
from typing import Any, NamedTuple

from bench.against import Outcome, fresh, peak_mib, spread
from teachback.curate.near import BANDS, THRESHOLD, VALUES, Near, cut
from teachback.curate.words import jaccard

TARGET, RECALL, REPEATS, SEED = 5.0, 0.95, 3, 7
BATCH, PART = 500, 2000
LENGTHS = {
    0.8: (29, 38, 47),
    0.9: (40, 59),
}  # words of a text that can be changed into one so alike: see `changed`
Found = list[tuple[int, int]]  # a text, and the earlier one that it is like


class Work(NamedTuple):
    """pairs: (earlier, later) text of each injected near-duplicate, by its true Jaccard."""

    texts: list[str]
    pairs: dict[float, Found]


@dataclass(frozen=True)
class Done:
    """grown: bytes that the process held more at the end than before the first text, the texts themselves left out."""

    found: Found
    wall_s: float
    grown: int
    rss_mib: float


def bench(quick: bool) -> Outcome:
    os.environ["RAYON_NUM_THREADS"] = "1"
    rows, repeats = (1500, 1) if quick else (50_000, REPEATS)
    done: dict[str, list[Done]] = {name: [] for name in CONTENDERS}
    for _ in range(repeats):
        for name in CONTENDERS:
            done[name].append(fresh(streamed, name, rows))
    parts = {
        name: 1e6 * fresh(sketched, name).wall_s / PART
        for name in ("update", "update_batch", "bulk")
    }
    work = make(rows)
    quality = {name: judged(work, ones[0].found) for name, ones in done.items()}
    ours, theirs = done["ours"], done["datasketch"]
    ratio = spread([b.wall_s / a.wall_s for a, b in zip(ours, theirs, strict=True)], 2)
    facts: dict[str, Any] = {
        "work": {
            "rows": rows,
            "batch": BATCH,
            "words": round(fmean(len(t.split()) for t in work.texts)),
            "seed": SEED,
        }
        | {
            "injected": {str(level): len(pairs) for level, pairs in work.pairs.items()},
            "repeats": repeats,
        }
        | {"values": VALUES, "bands": BANDS, "threshold": THRESHOLD, "threads": 1},
        "versions_compared": {
            name: version(name) for name in ("rensa", "datasketch", "numpy")
        },
        "us_a_row": {
            name: spread([1e6 * d.wall_s / rows for d in ones], 1)
            for name, ones in done.items()
        },
        "times_as_fast": ratio,
        "datasketch_sketch_us_a_row": {
            name: round(us, 1) for name, us in parts.items()
        },
        "quality": quality,
        "bytes_a_row": {
            name: spread([d.grown / rows for d in ones], 0)
            for name, ones in done.items()
        }
        | {"text": round(fmean(map(getsizeof, work.texts)))},
        "peak_mib": {
            name: spread([d.rss_mib for d in ones], 0) for name, ones in done.items()
        },
    }
    mine = quality["ours"]
    same = mine["precision"] == 1.0 and all(
        mine[f"recall_at_{level}"] >= RECALL for level in work.pairs
    )
    same = same and all(
        d.found == ones[0].found for ones in done.values() for d in ones
    )
    return Outcome(ratio["median"], TARGET, same, max(d.rss_mib for d in ours), facts)


def make(rows: int) -> Work:
    """Texts of 25 to 70 words, out of common phrases and words by Zipf's law, and changed copies, in mixed order."""
    random = Random(SEED)
    vocabulary = [
        "".join(random.choices("abcdefghiklmnoprstuvwy", k=random.randint(2, 9)))
        for _ in range(20_000)
    ]
    zipf = [*accumulate(1 / (rank + 3) for rank in range(len(vocabulary)))]
    phrases = [
        random.choices(vocabulary, cum_weights=zipf, k=random.randint(2, 6))
        for _ in range(3000)
    ]

    def text(n: int) -> list[str]:
        out: list[str] = []
        while len(out) < n:
            out += (
                random.choice(phrases)
                if random.random() < 0.4
                else random.choices(vocabulary, cum_weights=zipf, k=2)
            )
        return out[:n]

    made: list[
        tuple[str, int | None, float]
    ] = []  # text, the number of the text that it was made from, likeness
    for level, lengths in LENGTHS.items():
        while sum(near == level for _, _, near in made) < rows // 50:
            words = text(random.choice(lengths))
            copy = changed(words, level, random)
            if jaccard(cut(" ".join(words)), cut(copy)) == level:
                made += [(" ".join(words), None, 0.0), (copy, len(made), level)]
    made += [
        (" ".join(text(random.randint(25, 70))), None, 0.0)
        for _ in range(rows - len(made))
    ]
    order = random.sample(range(rows), rows)
    place = {number: at for at, number in enumerate(order)}
    pairs: dict[float, Found] = {level: [] for level in LENGTHS}
    for number, (_, of, level) in enumerate(made):
        if of is not None:
            first, second = sorted((place[number], place[of]))
            pairs[level].append((first, second))
    return Work([made[number][0] for number in order], pairs)


def changed(words: Sequence[str], level: float, random: Random) -> str:
    """With other words at its end: of m shingles the last k change, so that m - k of m + k are shared."""
    k = round((len(words) - 2) * (1 - level) / (1 + level))
    return " ".join(
        [*words[:-k], *("".join(random.choices("jqxz", k=6)) for _ in range(k))]
    )


def judged(work: Work, found: Found) -> dict[str, float]:
    """precision: share of what was reported that is as alike as the threshold, by shingles cut here, as tuples."""
    right = sum(likeness(work.texts[a], work.texts[b]) >= THRESHOLD for a, b in found)
    told = {later for later, _ in found}
    recalls = {
        f"recall_at_{level}": sum(b in told for _, b in pairs) / len(pairs)
        for level, pairs in work.pairs.items()
    }
    return {
        "reported": len(found),
        "precision": right / len(found) if found else 1.0,
        **recalls,
    }


def likeness(a: str, b: str) -> float:
    x, y = (set(zip(w, w[1:], w[2:], strict=False)) for w in (a.split(), b.split()))
    return len(x & y) / len(x | y)


def streamed(name: str, rows: int) -> Done:
    texts = make(rows).texts
    contender = CONTENDERS[name]()
    before, started = resident(), time.monotonic()
    found = [
        pair
        for at in range(0, rows, BATCH)
        for pair in contender(at, texts[at : at + BATCH])
    ]
    wall = time.monotonic() - started
    return Done(found, wall, resident() - before, peak_mib())


def ours() -> Callable[[int, Sequence[str]], Iterator[tuple[int, int]]]:
    near = Near()

    def one(start: int, texts: Sequence[str]) -> Iterator[tuple[int, int]]:
        names = [str(start + i) for i in range(len(texts))]
        for name, alike in zip(names, near.fresh(names, texts), strict=True):
            if alike:
                yield int(name), int(alike[0].name)

    return one


def datasketch() -> Callable[[int, Sequence[str]], Iterator[tuple[int, int]]]:
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(num_perm=VALUES, params=(BANDS, VALUES // BANDS))
    kept: dict[int, str] = {}

    def one(start: int, texts: Sequence[str]) -> Iterator[tuple[int, int]]:
        for at, text in enumerate(texts, start):
            sketch = MinHash(num_perm=VALUES)
            sketch.update_batch([shingle.encode() for shingle in cut(text)])
            candidates = sorted(index.query(sketch))
            mine = cut(text) if candidates else set()
            alike = [(jaccard(mine, cut(kept[other])), -other) for other in candidates]
            best = max((a for a in alike if a[0] >= THRESHOLD), default=None)
            if best:
                yield at, -best[1]
            else:
                index.insert(at, sketch, check_duplication=False)
                kept[at] = text

    return one


def sketched(how: str) -> Done:
    """datasketch's sketches alone, made in one of its ways."""
    from datasketch import MinHash

    sets = [[shingle.encode() for shingle in cut(text)] for text in make(PART).texts]
    started = time.monotonic()
    if how == "bulk":
        MinHash.bulk(sets, num_perm=VALUES)
    for shingles in [] if how == "bulk" else sets:
        sketch = MinHash(num_perm=VALUES)
        if how == "update_batch":
            sketch.update_batch(shingles)
        for shingle in shingles if how == "update" else []:
            sketch.update(shingle)
    return Done([], time.monotonic() - started, 0, peak_mib())


def resident() -> int:
    """Bytes of memory that this process holds."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


CONTENDERS: dict[
    str, Callable[[], Callable[[int, Sequence[str]], Iterator[tuple[int, int]]]]
] = {
    "ours": ours,
    "datasketch": datasketch,
}
