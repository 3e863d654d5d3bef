"""Takes an API key out of a text, however a server spelled it.

Some servers repeat what they refuse, and some clients' errors show the request's headers.
"""

import re
from base64 import b64encode
from collections.abc import Iterable
from functools import cache

# Shorter values are placeholders of local servers ("EMPTY"), and words of ordinary answers.
MIN_KEY_CHARS = 8
REDACTED = "[key]"
# Servers that mask a key show its beginning or its end. So many characters give it away.
N_END_CHARS = 8


def redact_secrets(text: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        text = redact_key(text, secret)
    return text


def redact_key(text: str, key: str | None) -> str:
    """The text without the key, and without parts of it that hold its beginning or its end.

    Found plain, escaped as in JSON or by repr, percent-encoded, in base64 or hex, or shortened
    after "Bearer".
    """
    if not key or len(key) < MIN_KEY_CHARS or not _may_hold_key(text, key):
        return text
    text = _key_pattern(key).sub(REDACTED, text)
    return _redact_ends(text, key)


def _may_hold_key(text: str, key: str) -> bool:
    """False for nearly every text without the key: the patterns take as long as a small call."""
    hints, escapes = _key_hints(key)
    without_escapes = text.replace("\\", "").lower()
    if any(hint in without_escapes for hint in hints):
        return True
    return escapes.search(text) is not None


@cache
def _key_hints(key: str) -> tuple[tuple[str, ...], re.Pattern[str]]:
    """What a text with the key holds, in lower case without backslashes; or an escape of one of
    its characters.
    """
    parts = ["Bearer", key[:N_END_CHARS], key[-N_END_CHARS:], *_base64_cores(key)]
    parts.append(key.encode().hex())
    hints = {part.replace("\\", "").lower() for part in parts}

    # Base64 adds "+", "/" and "=".
    chars = {*key, *"+/="}
    utf8 = {f"{byte:02x}" for char in chars for byte in char.encode()}
    utf16 = {
        char.encode("utf-16-be").hex()[at : at + 4] for char in chars for at in (0, 4)
    }
    bytes_in_hex = "|".join(sorted(utf8 | {byte.upper() for byte in utf8}))
    units_in_hex = "|".join(sorted(utf16 - {""}))
    escapes = (
        rf"%(?:25)*(?:{bytes_in_hex})|\\x(?:{bytes_in_hex})|\\u(?i:{units_in_hex})"
    )
    return tuple(sorted(hints)), re.compile(escapes)


def _redact_ends(text: str, key: str) -> str:
    """Without the first 8 characters of the key and what follows, and without its last 8.

    What is left of the last 8 goes too, as far back as it is the key.
    """
    lowered = key.lower()
    pieces = []
    kept_to = 0
    for match in _ends_pattern(key).finditer(text):
        start = match.start()
        position = len(key) - N_END_CHARS
        is_end = match.lastgroup == "end"
        while is_end and start > kept_to and position > 0:
            if text[start - 1].lower() != lowered[position - 1]:
                break
            start -= 1
            position -= 1
        pieces += [text[kept_to:start], REDACTED]
        kept_to = match.end()
    return "".join([*pieces, text[kept_to:]]) if pieces else text


@cache
def _ends_pattern(key: str) -> re.Pattern[str]:
    first = _spellings(key[:N_END_CHARS])
    last = _spellings(key[-N_END_CHARS:])
    # The rest of a masked key: up to what ends a word, in JSON too.
    return re.compile(
        rf"(?P<begin>{first}[^\s\"'\\,;<>]*)|(?P<end>{last})", re.IGNORECASE
    )


@cache
def _key_pattern(key: str) -> re.Pattern[str]:
    shortened = _spellings(key[:4]) + r"[^\s\"'\\,;<>]*"
    after_bearer = rf"(?i:bearer)(?:\s|%20|\+){{1,4}}{shortened}"
    in_base64 = [_spellings(text) for text in sorted(_base64_cores(key))]
    in_hex = f"(?i:{key.encode().hex()})"
    return re.compile(
        "|".join([after_bearer, _spellings(key), re.escape(key), *in_base64, in_hex])
    )


def _spellings(text: str) -> str:
    return "".join(map(_character_spellings, text))


def _character_spellings(char: str) -> str:
    r"""A pattern: the character as it is, \-escaped, as \uXXXX, as %XX.

    JSON in JSON has more than one backslash. Beyond ASCII, repr of bytes writes \xXX.
    """
    utf8 = char.encode()
    utf16 = char.encode("utf-16-be").hex()
    units = [utf16[at : at + 4] for at in range(0, len(utf16), 4)]

    # The longer forms come first: "%" and "u" are characters too.
    forms = [
        "".join(f"%(?:25)*(?i:{byte:02x})" for byte in utf8),
        "".join(rf"\\{{1,8}}+u(?i:{unit})" for unit in units),
    ]
    if not char.isascii():
        forms.append("".join(rf"\\{{1,8}}+x(?i:{byte:02x})" for byte in utf8))
    forms.append(r"\\\\" if char == "\\" else rf"\\{{0,8}}+{re.escape(char)}")
    return f"(?:{'|'.join(forms)})"


def _base64_cores(key: str) -> set[str]:
    """What the key becomes in the base64 of a text around it, by where in the text it begins.

    A group of 4 characters holds 3 bytes, so there are three cases. Characters that the
    key's neighbours decide too are left out.
    """
    cores = set[str]()
    for bytes_before in range(3):
        raw = bytes(bytes_before) + key.encode()
        first = -(-8 * bytes_before // 6)
        last = 8 * len(raw) // 6
        core = b64encode(raw).decode()[first:last]
        cores |= {core, core.replace("+", "-").replace("/", "_")}
    return cores
