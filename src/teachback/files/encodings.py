"""Finds the encoding of a text file that names none."""

import codecs
import re
from pathlib import Path

from ..errors import DataError

# The longer marks first: that of UTF-32 begins like that of UTF-16.
BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
ENCODING_TITLES = {
    "utf-16-le": "UTF-16",
    "utf-16-be": "UTF-16",
    "utf-32-le": "UTF-32",
    "utf-32-be": "UTF-32",
}
# Of a file's start, to look for the zero bytes of UTF-16.
SAMPLE_BYTES = 4096
MIN_ZERO_SHARE = 0.3
# In a Latin script a few letters have accents. In other scripts nearly all bytes are above ASCII.
MAX_ACCENT_SHARE = 0.3
HIGH_BYTE = re.compile(rb"[\x80-\xff]")
LETTER_BYTE = re.compile(rb"[A-Za-z\x80-\xff]")


def decode_marked(content: bytes, path: Path) -> tuple[str | None, tuple[str, ...]]:
    """The text of a file with a byte order mark, or with the zero bytes of UTF-16, and a note.

    None for other files. Raises DataError for bytes that don't fit the mark.
    """
    for mark, encoding in BYTE_ORDER_MARKS.items():
        if content.startswith(mark):
            text = decode_strictly(content[len(mark) :], encoding, path)
            is_usual = encoding == "utf-8"
            return text, () if is_usual else (encoding_note(path, encoding),)
    guess = guess_utf16(content[:SAMPLE_BYTES])
    if guess is None:
        return None, ()
    return decode_strictly(content, guess, path), (encoding_note(path, guess),)


def decode_table(content: bytes, path: Path) -> tuple[str, tuple[str, ...]]:
    """The text, as UTF-8, UTF-16 or Latin-1, and a note where it isn't UTF-8.

    Raises DataError for other encodings, and for UTF-8 with damaged bytes.
    """
    text, notes = decode_marked(content, path)
    if text is not None:
        return text, notes
    try:
        return content.decode("utf-8"), ()
    except UnicodeDecodeError as error:
        n_high = len(HIGH_BYTE.findall(content))
        is_latin = n_high <= MAX_ACCENT_SHARE * len(LETTER_BYTE.findall(content))
        if is_latin and not is_damaged_utf8(content):
            return decode_latin(content), (encoding_note(path, "Latin-1"),)
        raise encoding_error(path, content, error) from error


def guess_utf16(start: bytes) -> str | None:
    """Of a text in a Latin script without a mark: every second byte is zero."""
    half = max(1, len(start) // 2)
    if start[1::2].count(0) > MIN_ZERO_SHARE * half:
        return "utf-16-le"
    if start[::2].count(0) > MIN_ZERO_SHARE * half:
        return "utf-16-be"
    return None


def is_damaged_utf8(content: bytes) -> bool:
    """Most characters above ASCII are good UTF-8, which Latin-1 looks like by no accident."""
    text = content.decode("utf-8", "surrogateescape")
    n_bad = sum("\udc80" <= char <= "\udcff" for char in text)
    n_good = sum(char > "\x7f" for char in text) - n_bad
    return n_good > n_bad


def decode_latin(content: bytes) -> str:
    """Windows' form of Latin-1, which has “ and € where Latin-1 has controls."""
    try:
        return content.decode("cp1252")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def decode_strictly(content: bytes, encoding: str, path: Path) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise encoding_error(path, content, error) from error


def encoding_note(path: Path, encoding: str) -> str:
    return (
        f"{path.name} is not UTF-8: read as {ENCODING_TITLES.get(encoding, encoding)}"
    )


def encoding_error(path: Path, content: bytes, error: UnicodeDecodeError) -> DataError:
    line = content.count(b"\n", 0, error.start) + 1
    return DataError(
        f"{path}, line {line}: not {error.encoding.upper()}",
        got=error.reason,
        allowed="UTF-8, UTF-16 with a byte order mark, or Latin-1",
        fix="save it as UTF-8",
    )
