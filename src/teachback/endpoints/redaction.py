"""Takes an API key out of a text, however a server spelled it.

Some servers repeat what they refuse, and some clients' errors show the request's headers.
"""

import re
from base64 import b64encode
from functools import cache

# Shorter values are placeholders of local servers ("EMPTY"), and words of ordinary answers.
MIN_KEY_CHARS = 8
REDACTED = "[key]"


def redact_key(text: str, key: str | None) -> str:
    """The text without the key.

    Found plain, escaped as in JSON or by repr, percent-encoded, in base64, or shortened after
    "Bearer".
    """
    if not key or len(key) < MIN_KEY_CHARS:
        return text
    return _key_pattern(key).sub(REDACTED, text)


@cache
def _key_pattern(key: str) -> re.Pattern[str]:
    shortened = _spellings(key[:4]) + r"[^\s\"'\\,;<>]*"
    after_bearer = rf"(?i:bearer)(?:\s|%20|\+){{1,4}}{shortened}"
    in_base64 = [_spellings(text) for text in sorted(_base64_cores(key))]
    return re.compile(
        "|".join([after_bearer, _spellings(key), re.escape(key), *in_base64])
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
