"""Near-duplicates in a stream of 50,000 texts, each compared with all that were kept.

The texts come in batches of 500. Ours is `curate.near_duplicates.NearDuplicateIndex`
(rensa). The peer is datasketch's MinHash (`update_batch`) and MinHashLSH with the same
settings: the same shingles, 120 values, 20 bands of 6, and candidates verified by true
Jaccard with the same function. datasketch's slower `update`, a shingle at a time, and
its faster `bulk` are measured on a part of the texts. The time covers everything:
cutting into shingles, sketching, asking, verifying, adding. One thread each.

4 % of the texts are near-duplicates of another one, half of them with a true Jaccard of
exactly 0.8, half 0.9. The gate is for ours: every report is as alike as reported, and
at least 0.95 of either kind are found.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from itertools import accumulate
from random import Random
from statistics import fmean
from sys import getsizeof
from typing import Any, NamedTuple

from bench.outcome import Outcome
from bench.process import memory_kib, peak_mib, run_fresh, spread
from teachback.curate.near_duplicates import (
    JACCARD_THRESHOLD,
    MINHASH_BANDS,
    MINHASH_VALUES,
    NearDuplicateIndex,
    word_shingles,
)
from teachback.curate.words import jaccard

TARGET = 5.0
MIN_RECALL = 0.95
REPEATS = 3
SEED = 7
BATCH = 500
PART = 2000
LIBRARIES = ("rensa", "datasketch", "numpy")
# Lengths, in words, of the texts that `change_end` can make exactly so alike.
LENGTHS = {0.8: (29, 38, 47), 0.9: (40, 59)}

# The index of a text, and of the earlier one that it is like.
Duplicates = list[tuple[int, int]]
FindDuplicates = Callable[[int, Sequence[str]], Iterator[tuple[int, int]]]


class Work(NamedTuple):
    texts: list[str]
    # By true Jaccard: (earlier, later) index of each injected near-duplicate.
    pairs: dict[float, Duplicates]


class Result(NamedTuple):
    duplicates: Duplicates
    wall_s: float
    # Bytes that the process grew by, without the texts.
    growth: int
    rss_mib: float


def bench(quick: bool) -> Outcome:
    os.environ["RAYON_NUM_THREADS"] = "1"
    count, repeats = (1500, 1) if quick else (50_000, REPEATS)
    results: dict[str, list[Result]] = {name: [] for name in CONTENDERS}
    for _ in range(repeats):
        for name in CONTENDERS:
            results[name].append(run_fresh(find_in_stream, name, count))

    work = make_work(count)
    quality = {
        name: measure_quality(work, some[0].duplicates)
        for name, some in results.items()
    }
    ours, peer = results["ours"], results["datasketch"]
    speedup = [b.wall_s / a.wall_s for a, b in zip(ours, peer, strict=True)]
    facts: dict[str, Any] = {
        "work": describe_work(work, repeats),
        "versions_compared": {name: version(name) for name in LIBRARIES},
        **summarise(results, work),
        "times_as_fast": spread(speedup, 2),
        "datasketch_sketch_us_a_row": {
            how: round(sketch_us_per_row(how), 1)
            for how in ("update", "update_batch", "bulk")
        },
        "quality": quality,
    }
    same = finds_enough(quality["ours"], work) and all(
        same_duplicates(some) for some in results.values()
    )
    ratio = facts["times_as_fast"]["median"]
    rss_mib = max(result.rss_mib for result in ours)
    return Outcome(ratio, TARGET, same, rss_mib, facts)


def describe_work(work: Work, repeats: int) -> dict[str, Any]:
    return {
        "rows": len(work.texts),
        "batch": BATCH,
        "words": round(fmean(len(text.split()) for text in work.texts)),
        "seed": SEED,
        "injected": {str(level): len(pairs) for level, pairs in work.pairs.items()},
        "repeats": repeats,
        "values": MINHASH_VALUES,
        "bands": MINHASH_BANDS,
        "threshold": JACCARD_THRESHOLD,
        "threads": 1,
    }


def summarise(results: dict[str, list[Result]], work: Work) -> dict[str, Any]:
    count = len(work.texts)
    time_us, growth, memory = {}, {}, {}
    for name, some in results.items():
        time_us[name] = spread([1e6 * result.wall_s / count for result in some], 1)
        growth[name] = spread([result.growth / count for result in some], 0)
        memory[name] = spread([result.rss_mib for result in some], 0)
    text_bytes = round(fmean(map(getsizeof, work.texts)))
    return {
        "us_a_row": time_us,
        "bytes_a_row": {**growth, "text": text_bytes},
        "peak_mib": memory,
    }


def finds_enough(quality: dict[str, float], work: Work) -> bool:
    recalls = [quality[f"recall_at_{level}"] for level in work.pairs]
    return quality["precision"] == 1.0 and min(recalls) >= MIN_RECALL


def same_duplicates(results: Sequence[Result]) -> bool:
    return all(result.duplicates == results[0].duplicates for result in results)


def measure_quality(work: Work, duplicates: Duplicates) -> dict[str, float]:
    """precision: share of the reports whose true Jaccard reaches the threshold."""
    right = 0
    for a, b in duplicates:
        right += true_jaccard(work.texts[a], work.texts[b]) >= JACCARD_THRESHOLD

    reported = {later for later, _ in duplicates}
    quality = {
        "reported": len(duplicates),
        "precision": right / len(duplicates) if duplicates else 1.0,
    }
    for level, pairs in work.pairs.items():
        hits = sum(later in reported for _, later in pairs)
        quality[f"recall_at_{level}"] = hits / len(pairs)
    return quality


def true_jaccard(a: str, b: str) -> float:
    x, y = triples(a.split()), triples(b.split())
    return len(x & y) / len(x | y)


def triples(words: Sequence[str]) -> set[tuple[str, str, str]]:
    """The shingles, made without the library's own function."""
    return set(zip(words, words[1:], words[2:], strict=False))


def make_work(count: int) -> Work:
    """Texts in mixed order, and changed copies of some of them."""
    random = Random(SEED)
    words = TextGenerator(random)
    texts: list[str] = []
    copies: dict[float, Duplicates] = {level: [] for level in LENGTHS}
    for level, lengths in LENGTHS.items():
        while len(copies[level]) < count // 50:
            original = words.make(random.choice(lengths))
            text, copy = " ".join(original), change_end(original, level, random)
            if jaccard(word_shingles(text), word_shingles(copy)) == level:
                copies[level].append((len(texts), len(texts) + 1))
                texts += [text, copy]
    for _ in range(count - len(texts)):
        texts.append(" ".join(words.make(random.randint(25, 70))))

    order = random.sample(range(count), count)
    place = {index: at for at, index in enumerate(order)}
    pairs: dict[float, Duplicates] = {level: [] for level in LENGTHS}
    for level, some in copies.items():
        for original_index, copy_index in some:
            earlier, later = sorted((place[original_index], place[copy_index]))
            pairs[level].append((earlier, later))
    return Work([texts[index] for index in order], pairs)


class TextGenerator:
    """Texts out of common phrases, and of words that follow Zipf's law."""

    def __init__(self, random: Random) -> None:
        self.random = random
        letters = "abcdefghiklmnoprstuvwy"
        self.vocabulary = [
            "".join(random.choices(letters, k=random.randint(2, 9)))
            for _ in range(20_000)
        ]
        ranks = range(len(self.vocabulary))
        self.zipf = [*accumulate(1 / (rank + 3) for rank in ranks)]
        self.phrases = [self.draw_words(random.randint(2, 6)) for _ in range(3000)]

    def draw_words(self, count: int) -> list[str]:
        return self.random.choices(self.vocabulary, cum_weights=self.zipf, k=count)

    def make(self, length: int) -> list[str]:
        words: list[str] = []
        while len(words) < length:
            if self.random.random() < 0.4:
                words += self.random.choice(self.phrases)
            else:
                words += self.draw_words(2)
        return words[:length]


def change_end(words: Sequence[str], level: float, random: Random) -> str:
    """Replace the last words so that the Jaccard is `level`.

    Of m shingles the last k change: the two texts share m - k of m + k.
    """
    k = round((len(words) - 2) * (1 - level) / (1 + level))
    end = ["".join(random.choices("jqxz", k=6)) for _ in range(k)]
    return " ".join([*words[:-k], *end])


def find_in_stream(name: str, count: int) -> Result:
    texts = make_work(count).texts
    find_duplicates = CONTENDERS[name]()
    before, started = memory_kib("VmRSS"), time.monotonic()
    duplicates: Duplicates = []
    for start in range(0, count, BATCH):
        duplicates += find_duplicates(start, texts[start : start + BATCH])
    wall_s = time.monotonic() - started
    growth = 1024 * (memory_kib("VmRSS") - before)
    return Result(duplicates, wall_s, growth, peak_mib())


def with_ours() -> FindDuplicates:
    index = NearDuplicateIndex()

    def find_duplicates(start: int, texts: Sequence[str]) -> Iterator[tuple[int, int]]:
        for at, sketch in enumerate(index.sketch(texts), start):
            duplicates = index.find_duplicates(sketch)
            if duplicates:
                yield at, int(duplicates[0].label)
            else:
                index.add(str(at), sketch)

    return find_duplicates


def with_datasketch() -> FindDuplicates:
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(
        num_perm=MINHASH_VALUES, params=(MINHASH_BANDS, MINHASH_VALUES // MINHASH_BANDS)
    )
    kept: dict[int, str] = {}

    def find_duplicates(start: int, texts: Sequence[str]) -> Iterator[tuple[int, int]]:
        for at, text in enumerate(texts, start):
            sketch = MinHash(num_perm=MINHASH_VALUES)
            sketch.update_batch([shingle.encode() for shingle in word_shingles(text)])
            candidates = sorted(index.query(sketch))
            shingles = word_shingles(text) if candidates else set()
            # Negative, so that the earliest text wins among equals.
            alike = [
                (jaccard(shingles, word_shingles(kept[other])), -other)
                for other in candidates
            ]
            best = max(
                (one for one in alike if one[0] >= JACCARD_THRESHOLD), default=None
            )
            if best:
                yield at, -best[1]
            else:
                index.insert(at, sketch, check_duplication=False)
                kept[at] = text

    return find_duplicates


def sketch_us_per_row(how: str) -> float:
    return 1e6 * run_fresh(time_sketches, how) / PART


def time_sketches(how: str) -> float:
    """Seconds of datasketch's sketches alone, made in one of its three ways."""
    from datasketch import MinHash

    rows = [
        [shingle.encode() for shingle in word_shingles(text)]
        for text in make_work(PART).texts
    ]
    started = time.monotonic()
    if how == "bulk":
        MinHash.bulk(rows, num_perm=MINHASH_VALUES)
        return time.monotonic() - started

    for shingles in rows:
        sketch = MinHash(num_perm=MINHASH_VALUES)
        if how == "update_batch":
            sketch.update_batch(shingles)
        else:
            for shingle in shingles:
                sketch.update(shingle)
    return time.monotonic() - started


CONTENDERS: dict[str, Callable[[], FindDuplicates]] = {
    "ours": with_ours,
    "datasketch": with_datasketch,
}
