r"""What a `\boxed{}` says, with what stands around it.

A box may hold only a part of the value written: $3\boxed{5}$, $\boxed{16}\pi$, \boxed{5} million.
So its neighbours must be understood: the end of a sentence or of math, "=", a word that doesn't
change a number. A minus, a currency and a unit become part of the answer.
"""

import re
from typing import NamedTuple

from .claims import is_claim
from .unit_words import (
    LETTERS,
    MAGNITUDE,
    MIN_ATTACHED_LETTERS,
    are_unit_words,
    is_unit_word,
)

BOX_START = re.compile(r"\\(?:boxed|fbox)\s{0,9}\{")
BRACE_OR_ESCAPE = re.compile(r"\\.|[{}]", re.DOTALL)
# How much around a box is looked at.
MAX_NEIGHBOUR_CHARS = 300
# How much before it must be understood, but for the sentence around "the answer is".
MAX_TAIL_CHARS = 80

SPACE = r"\s|\\[,;:! ]|~|\\q?quad\b|\\(?:displaystyle|bf|rm|it|bfseries|large|Large)\b|\*\*|__|&"
SPACE_BEFORE = re.compile(rf"(?:{SPACE}|(?<!\\)\$|\\[(\[]|^>)$")
SPACE_BEHIND = re.compile(rf"(?:{SPACE}|\$|\\[)\]])+")
FONT = (
    r"\\(?:text|mbox|(?:math|text)(?:bf|rm|it|sf|tt|normal)|bold|boldsymbol|bm|underline"
    r"|(?:text)?color\s?\{\w+\})\s?"
)
GROUPS = [
    (re.compile(left), re.compile(right))
    for left, right in (
        (r"\\left\s?[(\[]$", r"\\right\s?[)\]]"),
        (r"(?<![\w)\]}])[(\[]$", r"[)\]]"),
        (rf"(?:{FONT})?(?<!\\)\{{$", r"\}"),
    )
]
CURRENCY_BEFORE = re.compile(r"(?:\\\$|[€£¥₹]|\bUSD\s?)$")
SIGN_BEFORE = re.compile(r"(?P<sign>[-−–—+])(?P<gap>\s*)$")
# What may stand before a minus that belongs to the answer.
BEFORE_MINUS = re.compile(r"(?:[=:≈([{,|]|\\approx|^)\s*$")
BEFORE_BOX = re.compile(
    r"(?:^|[=≈≡→⇒∴:：;。！？，、!?\"'“”‘’✓]|[.,]|\{=\}|\\text\s?\{[^{}]*\}"
    r"|\\(?:approx|equiv|in|to|(?:long)?(?:right|Right|leftright|Leftright)arrow|Longrightarrow"
    r"|implies"
    r"|iff|therefore|because|colon))$"
)
WORD_BEFORE = re.compile(r"(?<!\\)(?<![^\W\d_])([^\W\d_]+(?:['’]s)?)\W?$")
NO_WORD_BEFORE = re.compile(
    r"nor|either|neither|not|minus|plus|negative|times|over|than|most|least|between|below|above"
    r"|under|exceeds?|never|without|except|until|versus|vs|half|twice|double|triple|sqrt|root|frac"
    r"|log|ln|sin|cos|tan",
    re.IGNORECASE,
)
# "3 and", "$(4,5)$ and", "from 3 to": the box is one of two. "$x = 2$ and" is a step.
SECOND_OF_TWO = re.compile(
    r"(?:\$[^$=]{1,60}\$|\d[.,]?)\s{0,9}(?:and|to|through)$"
    r"|(?:\d|\$[^$=]{1,60}\$|\beither\b|\\boxed)[^=.;:]{0,60}\bor$"
    r"|\b(?:half|thirds?|quarters?|\w+ths?|percent|\w?%|square|cube|root|multiples?|dozens?"
    r"|hundreds"
    r"|thousands|\w+illions?|one|some|any|power|factors?|reciprocal|inverse|opposite)\sof$",
    re.IGNORECASE,
)
TEXT_BEFORE = re.compile(r"\\text\s?\{([^{}]*)\}$")
NAME_BEFORE = re.compile(
    r"(?:\$|\\[(\[])?\s{0,3}(?:[A-Za-z]\w{0,3}|\\[a-z]{2,8})\s{0,3}=\s*$"
)
DOUBT_BEFORE = re.compile(
    r"\b(?:(?:not|never|cannot|\w+n['’]t)(?:\s(?:be|equal|equal\sto|necessarily|really|just"
    r"|simply))?"
    r"|maybe|perhaps|possibly|(?:might|may|could|can)(?:\s(?:also|be|well|not|possibly))+"
    r"|(?:suppose|assume|assuming|if|unless|whether|imagine|say)(?:\sthat)?|except\sfor)\s*$",
    re.IGNORECASE,
)
ANSWER_IS = re.compile(r"\b(?:the|my|our)\s(?:\w{1,9}\s)?answer\sis\s*$", re.IGNORECASE)
UNIT_BEHIND = re.compile(
    rf"(?:\^\s?(?:\\circ(?![a-zA-Z])|\{{\s?\\circ\s?\}})|°|\\?%|_\s?(?:\d+|\{{\d+\}})"
    rf"|(?:{SPACE})*\\(?:text|mbox|mathrm|textrm"
    rf"|textbf)\s?\{{(?P<words>[^{{}}]*)\}}(?:\^\{{?[23]\}}?)?)"
)
BEHIND_BOX = re.compile(
    r"$|[.](?!\d)|[,;](?!(?:\\[!,]|\{)?\d)|[:：](?!\s?\d)|[。，；、！!?\"'”’✓✅→⇒=≈]|[)\]}*]"
    r"|\\(?:\\|end|pmod|quad|(?:long)?(?:right|Right)arrow|Longrightarrow|implies|iff|to|approx"
    r"|equiv"
    r"|therefore|because|newline|q?quad|hline|tag|qed|checkmark|(?:black)?square|renewcommand"
    r"|text|mbox"
    r"|label|hspace|vspace|boxed|fbox)(?![a-zA-Z])"
)
LIST_BEHIND = re.compile(
    r"(?:[,;]|(?:or|and|to|nor|plus|minus|times|over|through|but)\b)(?:\s|\$|\\[,(\[ ]|&){0,9}"
    r"(?:(?:maybe|perhaps|possibly|else|also|even)\s)?(?:[-+−]?\s?\d(?!\w*[-])|\\[dt]?frac"
    r"|\\sqrt|\\pi)"
    r"|(?:or|nor)\b|and\s(?:an?\s|one[-\s])?(?:half|third|quarter)\b|(?:squared|cubed"
    r"|factorial)\b|is\s(?:wrong|incorrect|false)\b"
    r"|is(?:\snot|n['’]t)\s(?:right|correct|true|it|the\sanswer)\b"
    r"|(?:wrong|incorrect|false)\b"
)
NUMBERED_WORD = re.compile(r"\d+(?:-[a-z]|st\b|nd\b|rd\b|th\b)")
NAME_IN_LIST = r"(?:[A-Za-z](?:_\{?\w\}?)?(?:\([a-z0-9]\))?\s{0,3}=)?"
LIST_JOINT = re.compile(
    rf"(?:{SPACE}|\$|\\[()\[\]]|\\text\s?\{{|[,;}}])*(?P<word>and|or)?"
    rf"(?:{SPACE}|\$|\\[()\[\]]|[,;}}])*{NAME_IN_LIST}(?:{SPACE}|\$|\\[()\[\]])*"
)
NEXT_STEP = re.compile(
    r"[.!?]['\")$]{0,3}\s|\\\]|\\\\|=|\b(?:so|then|thus|hence|therefore|gives?|which|implies"
    r"|means|making"
    r"|yields?|but|no|wait)\b|\\(?:implies|Rightarrow|to)|[→⇒]"
)


class UnclearBoxError(ValueError):
    """What stands around a box isn't understood."""


class Box(NamedTuple):
    # Of the command and of what is behind its closing brace.
    start: int
    end: int
    content: str


def read_boxes(text: str, box: Box) -> str:
    """The answer that a text's last box gives.

    Several boxes that a sentence joins with "and", "or" or a comma are returned together. Raises
    UnclearBoxError.
    """
    line_start = (
        text.rfind("\n", max(0, box.start - MAX_NEIGHBOUR_CHARS), box.start) + 1
    )
    line_start = max(line_start, box.start - MAX_NEIGHBOUR_CHARS)
    boxes, joints = joined_boxes(text, find_boxes(text, line_start, box.start), box)
    left = text[line_start : boxes[0].start]
    if not left.strip(" \t$>*"):
        left = end_of_line_above(text, line_start)
    line_end = text.find("\n", box.end)
    line_end = len(text) if line_end < 0 else line_end
    right = text[box.end : min(line_end, box.end + MAX_NEIGHBOUR_CHARS)]
    prefix, suffix = read_neighbours(left, right)
    if len(boxes) == 1:
        return f"{prefix}{box.content}{suffix}"
    if prefix or suffix:
        raise UnclearBoxError("several boxes, with a sign or a unit")
    parts = [f"\\boxed{{{one.content}}}" for one in boxes]
    return "".join(
        f"{part}{joint}" for part, joint in zip(parts, [*joints, ""], strict=True)
    )


def find_boxes(text: str, start: int, stop: int) -> list[Box]:
    """The closed boxes that start between `start` and `stop` and aren't empty."""
    boxes = []
    for match in BOX_START.finditer(text, start, stop):
        close = closing_brace(text, match.end(), stop)
        if close is not None and text[match.end() : close].strip():
            boxes.append(
                Box(match.start(), close + 1, text[match.end() : close].strip())
            )
    return boxes


def closing_brace(text: str, start: int, stop: int) -> int | None:
    """Where the brace that opens just before `start` is closed; None if not before `stop`."""
    depth = 1
    for brace in BRACE_OR_ESCAPE.finditer(text, start, stop):
        if brace[0] == "{":
            depth += 1
        elif brace[0] == "}":
            depth -= 1
        if depth == 0:
            return brace.start()
    return None


def joined_boxes(
    text: str, earlier: list[Box], last: Box
) -> tuple[list[Box], list[str]]:
    """The boxes that are one list with the last one, and what joins them.

    Raises UnclearBoxError if another box of the sentence is neither in a list with it nor a step
    to it.
    """
    boxes = [last]
    joints: list[str] = []
    for box in reversed(earlier):
        between = text[box.end : boxes[0].start]
        joint = LIST_JOINT.fullmatch(between)
        if joint is None:
            if NEXT_STEP.search(between) or "\n" in between:
                break
            raise UnclearBoxError("several boxes in one sentence")
        boxes.insert(0, box)
        joints.insert(0, f" {joint['word']} " if joint["word"] else ", ")
    return boxes, joints


def end_of_line_above(text: str, line_start: int) -> str:
    """An operator or a word at the end of the line above goes on with the box's."""
    above = text[max(0, line_start - 40) : line_start].rstrip()
    match = re.search(r"[-+*/^=]$|\\(?:times|cdot|pm)$|\b(?:or|and|not|either)$", above)
    return match[0] if match else ""


def read_neighbours(left: str, right: str) -> tuple[str, str]:
    """What belongs to the answer before and behind the box, as "-" and "\\%"."""
    is_math_open = False
    while True:
        left, has_gap, crosses = strip_left(left)
        is_math_open = is_math_open or crosses
        right_stripped = SPACE_BEHIND.match(right)
        inside = right[right_stripped.end() :] if right_stripped else right
        for opening, closing in GROUPS:
            opened = search_end(opening, left)
            closed = closing.match(inside)
            if opened and closed:
                left = left[: opened.start()]
                right = inside[closed.end() :]
                break
        else:
            break
    prefix = read_left(left, has_gap, is_math_open)
    return prefix, read_right(right)


def search_end(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    """Searches the last characters only: the patterns for them all end in "$"."""
    return pattern.search(text, max(0, len(text) - MAX_TAIL_CHARS))


def strip_left(left: str) -> tuple[str, bool, bool]:
    """Without spaces and math delimiters at its end; were there any, and did math begin there?"""
    crosses = False
    length = len(left)
    while match := search_end(SPACE_BEFORE, left):
        crosses = crosses or match[0] in ("$", r"\(", r"\[")
        left = left[: match.start()]
    return left, len(left) < length, crosses


def read_left(left: str, has_gap: bool, is_math_open: bool) -> str:
    prefix = ""
    if match := search_end(CURRENCY_BEFORE, left):
        prefix = r"\$"
        left, has_gap, crosses = strip_left(left[: match.start()])
        is_math_open = is_math_open or crosses
    if match := search_end(SIGN_BEFORE, left):
        before = left[: match.start()]
        if match["sign"] != "+" and read_minus(before, has_gap):
            prefix = f"-{prefix}"
        left, has_gap, crosses = strip_left(before)
        is_math_open = is_math_open or crosses

    is_outside_math = is_math_open or not re.search(r"\$|\\[(\[]", left)
    if search_end(SECOND_OF_TWO, left) or (not has_gap and re.search(r"\d[.,]$", left)):
        raise UnclearBoxError(f"what stands before the box: {left[-40:]}")
    bracket = has_gap and is_outside_math and left[-1:] in list(")]")
    if not (search_end(BEFORE_BOX, left) or bracket or is_word_before(left, has_gap)):
        raise UnclearBoxError(f"what stands before the box: {left[-40:]}")
    if text := search_end(TEXT_BEFORE, left):
        left = f"{left[: text.start()]} {text[1]}"
    if not is_box_claimed(left):
        raise UnclearBoxError(f"a box that isn't claimed: {left[-40:]}")
    return prefix


def is_box_claimed(left: str) -> bool:
    """False behind "if", "it isn't", "it could be", "I doubt that the answer is"."""
    name = search_end(NAME_BEFORE, left)
    words = left[: name.start()] if name else left
    words = words.replace("*", "").replace("_", "").replace("$", "").rstrip()
    if search_end(DOUBT_BEFORE, words):
        return False
    if answer := search_end(ANSWER_IS, words):
        return is_claim(words[: answer.start()])
    return True


def read_minus(before: str, has_gap: bool) -> bool:
    """Whether a dash before a box is a minus; False for an item of a list, or a plain dash.

    Raises UnclearBoxError for a difference.
    """
    if has_gap and not before.strip():
        return False
    is_word = is_word_before(before.rstrip(), before[-1:].isspace())
    crossing = before.rstrip(" $").rstrip()
    if BEFORE_MINUS.search(before) or BEFORE_MINUS.search(crossing):
        return True
    if is_word_before(crossing, has_gap=True) and not has_gap:
        return True
    if is_word and has_gap:
        raise UnclearBoxError("a dash before the box")
    raise UnclearBoxError("a difference before the box")


def is_word_before(left: str, has_gap: bool) -> bool:
    match = search_end(WORD_BEFORE, left)
    if match is None:
        return False
    word = match[1]
    if not word.isascii():
        return word.isalpha()
    if len(word) == 1:
        return has_gap and word in ("a", "A", "I")
    return has_gap and NO_WORD_BEFORE.fullmatch(word) is None


def read_right(right: str) -> str:
    suffix = ""
    if match := UNIT_BEHIND.match(right):
        if match["words"] is not None and not are_unit_words(f" {match['words']}"):
            raise UnclearBoxError(f"what stands behind the box: {match[0]}")
        suffix = match[0] if match[0] != "%" else r"\%"
        right = right[match.end() :]
    space = SPACE_BEHIND.match(right)
    has_gap = space is not None
    crosses = space is not None and re.search(r"\$|\\[)\]]", space[0]) is not None
    right = right[space.end() :] if space else right
    if LIST_BEHIND.match(right) or not is_understood_behind(right, has_gap, crosses):
        raise UnclearBoxError(f"what stands behind the box: {right[:40]}")
    return suffix


def is_understood_behind(right: str, has_gap: bool, crosses: bool) -> bool:
    if right[:1] == "?":
        return False
    if right[:1] == "!" and not crosses:
        return False  # a factorial, or excitement
    if BEHIND_BOX.match(right):
        return True
    if right[:1] in "(":
        return has_gap
    if right[:1] in "-–—":
        return crosses or re.match(r"[-–—]\s[^\W\d_]{2}", right) is not None
    if NUMBERED_WORD.match(right):
        return crosses
    if match := LETTERS.match(right):
        return is_word_behind(match[0], has_gap, crosses)
    return (
        bool(right[:1]) and not right[:1].isascii() and right[:1] not in "π√×·÷²³±½¼¾∞"
    )


def is_word_behind(word: str, has_gap: bool, crosses: bool) -> bool:
    if MAGNITUDE.fullmatch(word):
        return False
    if not word.isascii():
        return word[:1] not in "πθαβ"
    if len(word) == 1:
        return has_gap and (word in "aAI" or (crosses and is_unit_word(word)))
    return has_gap or is_unit_word(word, MIN_ATTACHED_LETTERS, is_attached=True)
