"""Is SQLite's write-ahead log whole? SQLite itself ends silently where it isn't.

A log that a crash has cut or torn ends in the middle of one transaction, because the next is begun
only when the last is on the disk. So a bad frame with two commits behind it is damage, and what
came after it would be bought again. The format: https://www.sqlite.org/fileformat2.html#walformat
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ..errors import LedgerError

HEADER_BYTES = 32
FRAME_HEADER_BYTES = 24
MAGIC_LITTLE = 0x377F0682  # its checksums are of little-endian words
MAGIC_BIG = 0x377F0683
WORD_MASK = 0xFFFFFFFF

_Sums = tuple[int, int]


class Frame(NamedTuple):
    """A page in the log."""

    header: bytes
    page: bytes
    pages_after: int  # of the database; 0: this frame commits nothing
    salt: bytes
    sums: _Sums


def check_log(path: Path) -> None:
    """Raise LedgerError if transactions in the log of this ledger lie behind a damaged frame.

    For a ledger that no process has open.
    """
    log = path.with_name(f"{path.name}-wal")
    if log.exists() and count_lost_commits(log.read_bytes()) > 1:
        raise LedgerError(
            f"the ledger {path} is damaged",
            got=f"transactions in {log.name} that lie behind a damaged page",
            fix="put back ledger.sqlite and ledger.sqlite-wal as they were, or begin a new run "
            "with another --run-dir",
        )


def count_lost_commits(content: bytes) -> int:
    """Commits of the log's own generation that SQLite would leave out. A crash leaves out one.

    Frames of an earlier generation, with another salt, are in the database already.
    """
    if not any(content[:HEADER_BYTES]) or len(content) < HEADER_BYTES:
        return 0  # nothing of it had reached the disk
    magic, _, page_bytes = struct.unpack(">3I", content[:12])
    salt = content[16:24]
    is_known = magic in (MAGIC_LITTLE, MAGIC_BIG) and 512 <= page_bytes <= 65536
    if not is_known:
        return 2  # nothing in it would be read
    order = "<" if magic == MAGIC_LITTLE else ">"
    sums = add_words((0, 0), content[:24], order)
    is_whole = sums == struct.unpack(">2I", content[24:32])
    lost = 0
    for frame in iterate_frames(content, page_bytes):
        if is_whole and frame.salt == salt:
            sums = add_words(sums, frame.header[:8] + frame.page, order)
            is_whole = sums == frame.sums
        else:
            is_whole = False
        lost += not is_whole and frame.salt == salt and frame.pages_after > 0
    return lost


def iterate_frames(content: bytes, page_bytes: int) -> Iterator[Frame]:
    frame_bytes = FRAME_HEADER_BYTES + page_bytes
    last = len(content) - frame_bytes
    for start in range(HEADER_BYTES, last + 1, frame_bytes):
        header = content[start : start + FRAME_HEADER_BYTES]
        _, pages_after, _, _, *sums = struct.unpack(">6I", header)
        page = content[start + FRAME_HEADER_BYTES : start + frame_bytes]
        yield Frame(header, page, pages_after, header[8:16], (sums[0], sums[1]))


def add_words(sums: _Sums, content: bytes, order: str) -> _Sums:
    """SQLite's checksum goes on over these words."""
    first, second = sums
    words = struct.unpack(f"{order}{len(content) // 4}I", content)
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = (first + even + second) & WORD_MASK
        second = (second + odd + first) & WORD_MASK
    return first, second
