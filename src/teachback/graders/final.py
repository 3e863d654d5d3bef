"""The final answer of a text: what its last explicit mark says.

A mark is a line "Answer: X" ("**Final answer:** X", a heading "### Answer" with X below it),
"#### X", a sentence "The answer is X.", or `\\boxed{X}`. A number at the end of a text is no
answer: without a mark there is none.
"""

import re

from ..errors import DataError
from ..types import Example, Grade

# Longer content is no final answer. No search looks further than this.
MAX_ANSWER_CHARS = 2000
ANSWER_MARK = re.compile(
    r"(?P<box>\\(?:boxed|fbox)\s{0,9}\{)|(?P<hashes>(?<!#)####(?!#))|\banswer\b",
    re.IGNORECASE,
)
BRACE_OR_ESCAPE = re.compile(r"\\.|[{}]", re.DOTALL)
BOX_COMMAND = re.compile(r"\\(?:boxed|fbox)\b")

# A label begins its line. It has a colon, or stands alone on its line as a heading or in bold.
ANSWER_LABEL = re.compile(
    r"[ \t>*_#-]{0,20}(?:(?:the[ \t])?final[ \t]{1,9})?[*_]{0,3}(?P<word>answer)\b"
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

MINUS_BEFORE_BOX = re.compile(r"(?:(?:^|[\s=($:{,])[-\u2212]|=\s*[-\u2212]\s*)$")
BOLD_TYPE = re.compile(r"(?<![\w)*])\*{1,3}(?=\S)([^*]+)(?<=\S)\*{1,3}(?![\w(*])")


def final_answer(text: str) -> str | None:
    """What the last mark says, without the mark and bold type; None without a mark.

    A mark with nothing behind it doesn't count: an empty or unclosed box, a last line "Answer:".
    Time is linear in the text's length.
    """
    first_unclosed_box = len(text)
    starts = [match.start() for match in ANSWER_MARK.finditer(text)]
    for start in reversed(starts):
        mark = ANSWER_MARK.match(text, start)
        assert mark is not None
        if mark["box"]:
            close = closing_brace(text, mark.end(), first_unclosed_box)
            if close is None:
                first_unclosed_box = start
                continue
            answer = box_answer(text, start, text[mark.end() : close].strip())
        elif mark["hashes"]:
            answer = clean_answer(rest_of_line(text, mark.end()))
        else:
            answer = label_answer(text, start)
            answer = answer or sentence_answer(text, start, mark.end())
        if answer:
            return answer
    return None


def no_final_answer() -> Grade:
    """The grade of a text without a final answer."""
    return Grade(
        "unparsed",
        reason="no final answer: no line 'Answer: …', no '#### …', no \\boxed{…}",
    )


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


def closing_brace(text: str, start: int, stop: int) -> int | None:
    """Where the brace that opens just before `start` is closed; None if it isn't closed.

    stop: where a later, unclosed box begins. No earlier brace closes behind it, so stopping
    there keeps the search over all boxes linear.
    """
    depth = 1
    for brace in BRACE_OR_ESCAPE.finditer(
        text, start, min(stop, start + MAX_ANSWER_CHARS)
    ):
        if brace[0] == "{":
            depth += 1
        elif brace[0] == "}":
            depth -= 1
        if depth == 0:
            return brace.start()
    return None


def box_answer(text: str, start: int, content: str) -> str | None:
    """A box's content, with a minus if one stands before the box.

    If an answer line has several boxes, the whole line is the answer:
    "Answer: \\boxed{3} or \\boxed{4}" isn't 4.
    """
    if not content:
        return None
    line_start = text.rfind("\n", max(0, start - MAX_ANSWER_CHARS), start) + 1
    label = ANSWER_LABEL.match(text, line_start)
    if label and label["colon"]:
        line = clean_answer(rest_of_line(text, label.end()))
        if line and len(BOX_COMMAND.findall(line)) > 1:
            return line

    before_box = text[max(line_start, start - 20) : start]
    if MINUS_BEFORE_BOX.search(before_box):
        return f"-{content}"
    return content


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
    if verb is None or not SENTENCE_START.search(text, max(0, start - 30), start):
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
