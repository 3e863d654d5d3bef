"""The words behind a number: which of them only say what is counted or measured.

"5 apples" is 5. "5 million", "5 pi", "5xy" and "5 is wrong" are not. Nobody can list all that is
counted, so a word passes if it looks like one of a language and isn't one that changes numbers.
"""

import re
from string import ascii_lowercase

# Words that multiply a number, or make a fraction of it. "3 dozen" is 36, or 3 where the question
# asks how many dozens.
MAGNITUDE = re.compile(
    r"hundreds?|thousands?|k|grand|lakhs?|lacs?|crores?|myriads?|mio|mrd|mn|mill?|bn|bil|tn|tril"
    r"|\w{0,9}(?:illion|illiard)(?:s|ths?)?|googol|tens|dozens?|doz|gross|scores?|halves|half"
    r"|quarters?|thirds?|fourths?|fifths?|sixths?|sevenths?|eighths?|ninths?"
    r"|tenths?|elevenths?|twelfths?|\w{0,9}(?:teenth|tieth|dredth|sandth)s?|squared|cubed"
    r"|factorials?|permille|ppm|ppb|basis|percentiles?|doubled?|twice|thrice|tripled?|quadrupled?",
    re.IGNORECASE,
)
# Words that make a second number or answer of it, a part of an expression, a doubt or a denial.
CHANGING = re.compile(
    r"zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w{2,5}teen"
    r"|(?:twen|thir|for|fif|six|seven|eigh|nine)ty|pi|tau|alpha|beta|gamma|delta|theta|lambda|mu"
    r"|rho|sigma|phi|psi|omega|sqrt|root|log|ln|exp|sin|cos|tan|sec|csc|cot|mod|modulo|choose|plus"
    r"|minus|divided|multiplied|over|rem|remainder|inf|infinity|nan|negative|below|under|above"
    r"|or|and|nor|either|neither|to|through|thru|till?|until|between|versus|vs|least|most|but|not"
    r"|no|non|never|cannot|\w+n['’]t|is|was|wrong|incorrect(?:ly)?|false|invalid|mistaken?|error"
    r"|untrue|unlikely|except|unless|if|instead|rather|maybe|perhaps|possibly|probably|likely"
    r"|might|could|approx|approximately|roughly|ish|seems?|looks?|unsure|uncertain|unknown",
    re.IGNORECASE,
)
MEASURE = re.compile(
    r"[mcdknu]m|inch|ft|yd|mi|lbs?|oz|k?g|[mk]g|mcg|gms?|[mcd]l|cc|fl|gal|qt|pts?|tb?sp|sq|cu"
    r"|hrs?|mins?"
    r"|secs?|ms|yrs?|wks?|mos?|[ap]m|[mk]ph|km?ph|kmh|kmhr|fps|[rb]pm|[kmg]?hz|[mkg]?w|[kmg]?wh"
    r"|[mk]?j"
    r"|kn|[km]?pa|atm|[kmgt]b|k?cal|mol|degs?|rad|usd|eur|gbp|inr|cny|jpy|cad|aud|rs|pct|pp|st"
    r"|nd|rd"
    r"|th|ev|mmhg",
    re.IGNORECASE,
)
SHORT_WORD = re.compile(
    r"an?|of|in|on|at|by|per|up|he|we|us|its?|men|egg|cup|day|way|pie", re.IGNORECASE
)
# Any other single letter is a variable: 5x isn't 5.
ONE_LETTER_UNIT = re.compile("[mshglLJNWVCFpc]")
LETTER = r"[^\W\d_²³¹½¼¾⅓⅔⅛⁰-₉]"
LETTERS = re.compile(rf"{LETTER}+(?:['’]{LETTER}+)*")
VOWEL = re.compile(r"[aeiouyà-öù-ÿ]", re.IGNORECASE)
MIN_LETTERS = 3
# Fewer letters are a product of variables more often than a word: 2ab, 5xyz.
MIN_ATTACHED_LETTERS = 4


def are_unit_words(
    text: str, question: str = "", min_letters: int = MIN_LETTERS
) -> bool:
    """Whether the words behind a number only say what is counted or measured.

    Text begins right behind the number: "xy" of 5xy is attached to it, " cups" is not. A word that
    multiplies passes if the question asks for it ("How many dozens?").

    min_letters: a shorter word must be a known one.
    """
    if not text:
        return True
    is_attached = text[:1].isalpha()
    if re.search(r"(?<![\^\d{-])\d", text):  # but a power: cm^2, s^{-1}
        return False
    for word in LETTERS.findall(re.sub(r"(?<=\s)a(?=\s\w)", "", text)):  # "$5 a day"
        shortest = MIN_ATTACHED_LETTERS if is_attached else min_letters
        is_unit = is_unit_word(word, shortest, is_attached)
        if not is_unit and not is_asked_for(word, question):
            return False
        is_attached = False
    return True


def is_unit_word(
    word: str, min_letters: int = MIN_LETTERS, is_attached: bool = False
) -> bool:
    if len(word) == 1:
        return ONE_LETTER_UNIT.fullmatch(word) is not None
    if changes_number(word):
        return False
    if MEASURE.fullmatch(word) or (SHORT_WORD.fullmatch(word) and not is_attached):
        return True
    is_long = len(word) >= min_letters and VOWEL.search(word) is not None
    return is_long and word.casefold() not in ascii_lowercase  # abcd, xyz


def changes_number(word: str) -> bool:
    return bool(MAGNITUDE.fullmatch(word) or CHANGING.fullmatch(word))


def is_asked_for(word: str, question: str) -> bool:
    if not question or not MAGNITUDE.fullmatch(word):
        return False
    stem = re.escape(word.removesuffix("s"))
    asks = rf"\b(?:(?:how\s+many|number\s+of)\s+(?:[a-z]+\s+)?|in\s+){stem}"
    return re.search(asks, question, re.IGNORECASE) is not None
