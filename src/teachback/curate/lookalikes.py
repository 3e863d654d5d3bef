"""Sees through characters that are hidden, or that look like Latin letters, in a question.

A text without such characters comes back exactly as it was: keys of questions are made from it, and
keys decide the splits. The tables follow Unicode's confusables.txt (UTS 39), without letters that
only resemble a Latin one. A letter is taken for a disguise by its surroundings, so that texts in
Russian or Greek and formulas with Greek letters keep their own.
"""

import re
from unicodedata import normalize

# Default_Ignorable_Code_Point of Unicode (zero-width, soft hyphen, bidirectional marks, variation
# selectors, Hangul fillers, tags), marks for annotations, and controls that are no white space.
INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
# Letters and digits in another style, such as 𝐚 and ａ, whose plain form Unicode knows.
STYLED = re.compile(
    "[\uff10-\uff19\uff21-\uff3a\uff41-\uff5a\u24b6-\u24e9\U0001d400-\U0001d7ff"
    "\U0001f130-\U0001f149]+"
)

# Small capitals, and two letters of phonetics. They are Latin, but Unicode knows no plain form.
SMALL_LETTERS = {"ɑɡᴀʙᴄᴅᴇɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ": "agabcdeghijklmnoprstuvwyz"}
# Letters that nobody uses as symbols beside Latin ones, with what they look like.
PLAIN_LETTERS = {
    # Cyrillic
    "АВСЕԌНІЈКМОРԚЅТУҮѴԜХ": "ABCEGHIJKMOPQSTYYVWX",
    "авсԁеһіјкӏмнорԛѕтуүѵԝх": "abcdehijklmhopqstyyvwx",
    # Greek
    "ΑΒϹΕϜΗΙͿΚΜΝΟΡΤΥΧΖ": "ABCEFHIJKMNOPTYXZ",
    "ϲϳο": "cjo",
    # Armenian
    "ՍՏՕ": "USO",
    "ացհոռսք": "wghnnuf",
    "օ": "o",
    # Cherokee
    "ᎪᏴᏟᎠᎬᏀᎻᎫᏦᏞᎷᏢᎡᏚᎢᏙᎳᎩᏃ": "ABCDEGHJKLMPRSTVWYZ",
}
# Letters that are symbols too: sin α, ℝ, ρgh. They need a Latin letter before and behind.
SYMBOL_LETTERS = {
    "αγηικνρστυχω": "aynikvpotuxw",
    "ℎℯℊℴℓ": "hegol",
    "ℬℰℱℋℐℒℳℛℭℌℑℜℨℂℍℕℙℚℝℤ": "BEFHILMRCHIRZCHNPQRZ",
}


def make_table(rows: dict[str, str]) -> dict[int, str]:
    table = {}
    for letters, latin in rows.items():
        pairs = zip(letters, latin, strict=True)
        table.update({ord(letter): plain for letter, plain in pairs})
    return table


SMALL_TABLE = make_table(SMALL_LETTERS)
PLAIN_TABLE = make_table(PLAIN_LETTERS)
FULL_TABLE = PLAIN_TABLE | make_table(SYMBOL_LETTERS)
PLAIN_CLASS = f"[{''.join(map(chr, PLAIN_TABLE))}]"
LOOKALIKE = re.compile(f"[{''.join(map(chr, FULL_TABLE))}]")
# Only a disguise mixes letters in these ways.
DISGUISE = re.compile(
    f"[A-Za-z]{PLAIN_CLASS}|{PLAIN_CLASS}[A-Za-z]|[A-Za-z]{LOOKALIKE.pattern}+[A-Za-z]"
)
# Letters of the same scripts that look like no Latin one: the text really uses the script.
OWN_LETTER = re.compile(
    f"(?!{LOOKALIKE.pattern})(?:[\u0370-\u052f\u0531-\u0587\u13a0-\u13ff\uab70-\uabbf])"
)
LATIN_LETTER = re.compile("[A-Za-z]")
WORD = re.compile(r"[^\W\d_]+")


def fold_lookalikes(text: str) -> str:
    """Drop invisible characters, and replace disguised letters by the Latin ones they look like."""
    if text.isascii() and text.isprintable():
        return text
    text = INVISIBLE.sub("", text)
    if text.isascii():
        return text
    text = normalize("NFC", text).translate(SMALL_TABLE)
    text = STYLED.sub(lambda match: normalize("NFKC", match[0]), text)
    if not LOOKALIKE.search(text) or not LATIN_LETTER.search(text):
        return text
    is_disguised = DISGUISE.search(text) is not None
    if OWN_LETTER.search(text):
        return WORD.sub(_fold_mixed_word, text) if is_disguised else text
    return text.translate(FULL_TABLE if is_disguised else PLAIN_TABLE)


def _fold_mixed_word(match: re.Match[str]) -> str:
    word = match[0]
    return word.translate(FULL_TABLE) if LATIN_LETTER.search(word) else word
