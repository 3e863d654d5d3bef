"""The final answer of a text: what its last explicit mark says.

A mark is a line "Answer: X" ("**Final answer:** X", a heading "### Answer" with X below it),
"#### X", a sentence "The answer is X.", or `\\boxed{X}`. A number at the end of a text is no
answer: without a mark there is none.
"""

import re
from typing import NamedTuple

from ..errors import DataError
from ..types import Example, Grade
from .boxes import MAX_NEIGHBOUR_CHARS, Box, UnclearBoxError, closing_brace, read_boxes
from .claims import is_claim
from .reply_text import split_exercises, takes_back, trim_reply

# Longer content is no final answer. No search looks further than this.
MAX_ANSWER_CHARS = 2000
ANSWER_MARK = re.compile(
    r"(?P<box>\\(?:boxed|fbox)\s{0,9}\{)|(?P<hashes>(?<!#)####(?!#))|\banswer\b",
    re.IGNORECASE,
)

# A label begins its line. It has a colon, or stands alone on its line as a heading or in bold.
ANSWER_LABEL = re.compile(
    r"[ \t>*_#-]{0,20}"
    r"(?:(?:so|thus|hence|therefore|finally|actually|所以|因此|故)[,，:]?[ \t]{1,3})?"
    r"(?:(?:the[ \t])?final[ \t]{1,9})?[*_]{0,3}(?P<word>answer)\b"
    r"(?P<colon>[*_]{0,3}[ \t]{0,9}[:：][*_]{0,3})?",
    re.IGNORECASE,
)
HEADING = re.compile(r"[ \t]{0,9}(?:#{1,6}[ \t]|\*\*)[^\n]{0,40}\n")
LINE_BREAK = re.compile(r"[ \t\r]{0,99}\n\s{0,99}")
# "- 5" on a line of its own is ambiguous: minus five, or an item of a list.
LIST_BULLET = re.compile(r"[-+*•]\s")

SENTENCE_START = re.compile(
    r"\b(?:the|my|our)\s{1,9}(?:(?:final|correct)\s{1,9})?[*_]{0,3}$",
    re.IGNORECASE,
)
SENTENCE_VERB = re.compile(
    r"[*_]{0,3}\s{1,9}is\b\s{0,9}(?P<colon>[:：])?", re.IGNORECASE
)
SENTENCE_END = re.compile(
    r"(?<!\bRs)(?<!\bMr)(?<!\bDr)(?<!\bSt)\.(?=[*_$\"')]{0,4}(?:\s|$))"
)
# "The answer is in simplest form", "Is it a coincidence that the answer is 24?"
NOT_AN_ANSWER = re.compile(
    r"(?:in|not|correct|right|wrong|found|given|obtained|unique|as|below|above)\b|.*\?$",
    re.IGNORECASE,
)

BOLD_TYPE = re.compile(r"(?<![\w)*])\*{1,3}(?=\S)([^*]+)(?<=\S)\*{1,3}(?![\w(*])")


class FinalAnswer(NamedTuple):
    answer: str | None
    # Why there is none.
    reason: str | None = None


NO_MARK = "no final answer: no line 'Answer: …', no '#### …', no \\boxed{…}"


def final_answer(text: str) -> str | None:
    """As `find_final_answer`, without its reason."""
    return find_final_answer(text).answer


def find_final_answer(text: str) -> FinalAnswer:
    """What the last mark says, without the mark and bold type.

    A mark with nothing behind it doesn't count: an empty or unclosed box, a last line "Answer:".
    Nor does one in a model's thoughts, or behind the start of another exercise. There is no answer
    if the text takes it back, or if what stands around a box isn't understood. Time is linear in
    the text's length.
    """
    for part in split_exercises(trim_reply(text)):
        found = last_mark(part)
        if found is not None:
            return found
    return FinalAnswer(None, NO_MARK)


def last_mark(text: str, is_own_solution: bool = False) -> FinalAnswer | None:
    """What the last mark of a text says; None without a mark.

    is_own_solution: it is the data's, whose last box is the gold answer whatever stands around it.
    """
    first_unclosed_box = len(text)
    starts = [match.start() for match in ANSWER_MARK.finditer(text)]
    for start in reversed(starts):
        mark = ANSWER_MARK.match(text, start)
        assert mark is not None
        if mark["box"]:
            stop = min(first_unclosed_box, mark.end() + MAX_ANSWER_CHARS)
            close = closing_brace(text, mark.end(), stop)
            if close is None:
                first_unclosed_box = start
                continue
            box = Box(start, close + 1, text[mark.end() : close].strip())
            if not box.content:
                continue
            try:
                answer: str | None = (
                    box.content if is_own_solution else read_boxes(text, box)
                )
            except UnclearBoxError as error:
                return FinalAnswer(None, f"not understood: {error}")
        elif mark["hashes"]:
            answer = clean_answer(rest_of_line(text, mark.end()))
        else:
            answer = label_answer(text, start)
            answer = answer or sentence_answer(text, start, mark.end())
        if answer and takes_back(text, mark.end()) and not is_own_solution:
            return FinalAnswer(None, f"the text takes its answer back: {answer[:80]}")
        if answer:
            return FinalAnswer(answer)
    return None


def no_final_answer(reason: str | None = None) -> Grade:
    """The grade of a text without a final answer."""
    return Grade("unparsed", reason=reason or NO_MARK)


def grade_comparison(answer: str, expected: str | None, is_same: bool) -> Grade:
    """The grade of an answer that could be read."""
    if is_same:
        return Grade("right", answer, True)
    return Grade("wrong", answer, reason=f"{answer[:80]} is not {expected}")


def unreadable_gold_error(
    example: Example,
    what: str,
    allowed: str | None = None,
) -> DataError:
    """The error for a gold answer that its own grader can't read. what: as in "one number"."""
    return DataError(
        f"the answer of {example.id!r} is not {what}",
        got=repr(example.answer)[:80],
        allowed=allowed,
        fix="mend the row, or choose another grader (exact takes any text)",
    )


def gold_answer(example: Example) -> str:
    """The example's answer. Raises DataError without one: nothing can be graded then."""
    if example.answer is None:
        raise DataError(
            f"{example.id!r} has no answer to grade by",
            fix="give it one, or leave the row out",
        )
    return example.answer


def label_answer(text: str, word: int) -> str | None:
    """The answer behind a label: on its line or, if nothing follows there, on the next.

    word: where the label's word "answer" begins.
    """
    line_start = text.rfind("\n", max(0, word - 50), word) + 1
    label = ANSWER_LABEL.match(text, line_start)
    if label is None or label.start("word") != word:
        return None
    rest = rest_of_line(text, label.end())
    if label["colon"]:
        return clean_answer(rest) or line_below(text, label.end())

    stands_alone = not rest.strip("*_ \t\r")
    if stands_alone and HEADING.match(text, line_start):
        return line_below(text, text.find("\n", word))
    return None


def sentence_answer(text: str, start: int, end: int) -> str | None:
    """The X of "the answer is X.", or of the line below "the answer is:".

    start, end: where the word "answer" stands.
    """
    verb = SENTENCE_VERB.match(text, end)
    opening = SENTENCE_START.search(text, max(0, start - 30), start)
    if verb is None or opening is None:
        return None
    before = text[max(0, opening.start() - MAX_NEIGHBOUR_CHARS) : opening.start()]
    if not is_claim(before):
        return None
    sentence, *_ = SENTENCE_END.split(rest_of_line(text, verb.end()), maxsplit=1)
    answer = clean_answer(sentence)
    if answer is None:
        return line_below(text, verb.end()) if verb["colon"] else None
    return None if NOT_AN_ANSWER.match(answer) else answer


def line_below(text: str, end: int) -> str | None:
    """The next line that isn't blank, unless it is another label or an item of a list."""
    gap = LINE_BREAK.match(text, end)
    if gap is None:
        return None
    if LIST_BULLET.match(text, gap.end()) or ANSWER_LABEL.match(text, gap.end()):
        return None
    return clean_answer(rest_of_line(text, gap.end()))


def rest_of_line(text: str, start: int) -> str:
    """The line from `start` on; "" if it is too long to be an answer."""
    limit = start + MAX_ANSWER_CHARS
    end = text.find("\n", start, limit)
    if end >= 0:
        return text[start:end]
    if len(text) <= limit:
        return text[start:]
    return ""


def clean_answer(answer: str) -> str | None:
    """Strips bold type and white space; None if nothing remains. `2**3` keeps its stars."""
    return BOLD_TYPE.sub(r"\1", answer.strip()).strip("* \t\r") or None
