"""Packs a run's rows for the page: as JSON, deflated, in base64. A large run leaves some out."""

import json
import zlib
from base64 import b64encode
from typing import NamedTuple

from .collect import RunRows
from .encoding import DetailLevel, RowEncoder

RAW_DEFLATE = -15  # zlib's sign for deflate without a header
COMPRESSION = 6
# Of base64. The page may have 3 MB for a thousand rows, and its other parts need some.
BYTES_PER_ROW = 2_500
MIN_BYTES = 2_500_000
SAMPLE_BYTES = 1_000_000
ESTIMATE_ERROR = 1.3
# A browser needs half a second for two thirds of it: bench/results/page.json.
MAX_BYTES = 24_000_000
TEXTS_PER_LINE = 1000  # parsed at a time: a page must not stand still

# Each holds less than the one before it.
LEVELS = (
    DetailLevel(),
    DetailLevel(
        "attempts of rounds in which a seed was not selected are left out: "
        "attempt.json of the round has them",
        all_attempts=False,
    ),
    DetailLevel(
        "raw replies, and attempts of rounds in which a seed was not selected, are left out: "
        "`teachback show RUN SEED` and attempt.json of the round have them",
        all_attempts=False,
        replies=False,
    ),
    DetailLevel(
        "raw replies and most attempts are left out, and texts end after 1,000 characters: "
        "`teachback show RUN SEED` and the files of the round have all",
        all_attempts=False,
        replies=False,
        max_characters=1_000,
    ),
    DetailLevel(
        "raw replies, most attempts, and the questions of seeds never selected are left out, and "
        "texts end after 300 characters: `teachback show RUN SEED` and the files of the round have "
        "all",
        all_attempts=False,
        replies=False,
        max_characters=300,
        unselected=False,
    ),
)


class PackedRows(NamedTuple):
    columns: str  # JSON, deflated, in base64
    texts: str  # the same of lines, each a JSON list

    @property
    def size(self) -> int:
        return len(self.columns) + len(self.texts)


def pack_rows(rows: RunRows) -> PackedRows:
    """At the first level of detail that fits into the page, or else at the last."""
    limit = max(MIN_BYTES, min(MAX_BYTES, BYTES_PER_ROW * len(rows.drafts)))
    packed = PackedRows("", "")
    for level in LEVELS:
        columns, texts = RowEncoder(rows, level).encode()
        content = b"\n".join(
            to_ascii_json(texts[start : start + TEXTS_PER_LINE])
            for start in range(0, len(texts), TEXTS_PER_LINE)
        )
        is_last = level is LEVELS[-1]
        if not is_last and estimate_size(content) > ESTIMATE_ERROR * limit:
            continue  # a level that is far too large is not worth the time
        packed = PackedRows(compress(to_ascii_json(columns)), compress(content))
        if packed.size <= limit:
            break
    return packed


def to_ascii_json(value: object) -> bytes:
    # Escaped to ASCII: a lone surrogate stays what it is, and a browser reads ASCII fastest.
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii")


def estimate_size(content: bytes) -> float:
    """Of the packed content, from its middle."""
    if not content:
        return 0
    start = max(0, (len(content) - SAMPLE_BYTES) // 2)
    sample = content[start : start + SAMPLE_BYTES]
    return len(compress(sample)) / len(sample) * len(content)


def compress(content: bytes) -> str:
    deflate = zlib.compressobj(COMPRESSION, zlib.DEFLATED, RAW_DEFLATE)
    return b64encode(deflate.compress(content) + deflate.flush()).decode("ascii")
