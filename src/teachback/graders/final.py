"""The final answer of a text: what its last explicit mark says.

A mark is a line "Answer: X" ("**Final answer:** X", a heading "### Answer" with X below it), "#### X", a sentence
"The answer is X.", or `\\boxed{X}`. A number that merely stands last is no answer: without a mark there is none.
"""

import re

from ..errors import DataError
from ..types import Example, Grade

LONGEST = 2000  # characters: what is longer is no final answer, and no search looks further than this
CANDIDATE = re.compile(
    r"(?P<box>\\(?:boxed|fbox)\s{0,9}\{)|(?P<hashes>(?<!#)####(?!#))|\banswer\b",
    re.IGNORECASE,
)
BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
BOX = re.compile(r"\\(?:boxed|fbox)\b")

# A label begins its line, and has a colon unless it is a heading or in bold type on a line of its own.
LABEL = re.compile(
    r"[ \t>*_#-]{0,20}(?:(?:the[ \t])?final[ \t]{1,9})?[*_]{0,3}(?P<word>answer)\b"
    r"(?P<colon>[*_]{0,3}[ \t]{0,9}[:：][*_]{0,3})?",
    re.IGNORECASE,
)
HEADING = re.compile(r"[ \t]{0,9}(?:#{1,6}[ \t]|\*\*)[^\n]{0,40}\n")
BREAK = re.compile(r"[ \t\r]{0,99}\n\s{0,99}")
BULLET = re.compile(
    r"[-+*•]\s"
)  # "- 5" on a line of its own: minus five, or an item of a list?
BEFORE_SAID = re.compile(
    r"\b(?:the|my|our)\s{1,9}(?:(?:final|correct)\s{1,9})?[*_]{0,3}$", re.IGNORECASE
)
BEHIND_SAID = re.compile(r"[*_]{0,3}\s{1,9}is\b\s{0,9}(?P<colon>[:：])?", re.IGNORECASE)
SENTENCE_END = re.compile(
    r"(?<!\bRs)(?<!\bMr)(?<!\bDr)(?<!\bSt)\.(?=[*_$\"')]{0,4}(?:\s|$))"
)
# "The answer is in simplest form", "Is it a coincidence that the answer is 24?": about the answer, without giving it.
ABOUT = re.compile(
    r"(?:in|not|correct|right|wrong|found|given|obtained|unique|as|below|above)\b|.*\?$",
    re.IGNORECASE,
)
MINUS = re.compile(r"(?:(?:^|[\s=($:{,])[-\u2212]|=\s*[-\u2212]\s*)$")
BOLD = re.compile(r"(?<![\w)*])\*{1,3}(?=\S)([^*]+)(?<=\S)\*{1,3}(?![\w(*])")


def final_answer(text: str) -> str | None:
    """What the last mark says, without the mark and bold type; None without a mark. Linear in the text's length.

    A mark with nothing behind it (an empty or unclosed box, a last line "Answer:") is no mark.
    """
    unclosed = len(text)
    for start in reversed([found.start() for found in CANDIDATE.finditer(text)]):
        found = CANDIDATE.match(text, start)
        assert found is not None
        if found["box"]:
            close = closing(text, found.end(), unclosed)
            answer = (
                None
                if close is None
                else boxed(text, start, text[found.end() : close].strip())
            )
            unclosed = start if close is None else unclosed
        elif found["hashes"]:
            answer = cleaned(line(text, found.end()))
        else:
            answer = labelled(text, start) or said(text, start, found.end())
        if answer:
            return answer
    return None


def missing() -> Grade:
    return Grade(
        "unparsed",
        reason="no final answer: no line 'Answer: …', no '#### …', no \\boxed{…}",
    )


def compared(answer: str, expected: str | None, same: bool) -> Grade:
    """What to say of an answer that could be read."""
    if same:
        return Grade("right", answer, True)
    return Grade("wrong", answer, reason=f"{answer[:80]} is not {expected}")


def unreadable(example: Example, what: str, allowed: str | None = None) -> DataError:
    """For a gold answer that its own grader can't read: "is not one number", and the like."""
    return DataError(
        f"the answer of {example.id!r} is not {what}",
        got=repr(example.answer)[:80],
        allowed=allowed,
        fix="mend the row, or choose another grader (exact takes any text)",
    )


def gold(example: Example) -> str:
    """The example's answer. Raises DataError where it has none: nothing can be judged without."""
    if example.answer is None:
        raise DataError(
            f"{example.id!r} has no answer to grade by",
            fix="give it one, or leave the row out",
        )
    return example.answer


def closing(text: str, start: int, stop: int) -> int | None:
    """Where the brace that stands before `start` is closed. `stop`: where a later box begins that never closes; no
    brace from before it is closed behind it, which keeps the search over all boxes linear."""
    depth = 1
    for brace in BRACE.finditer(text, start, min(stop, start + LONGEST)):
        depth += {"{": 1, "}": -1}.get(brace[0], 0)
        if depth == 0:
            return brace.start()
    return None


def boxed(text: str, start: int, content: str) -> str | None:
    """A box's content, with the minus that stands before the box. Of several boxes on an answer line the whole line
    is the answer: "Answer: \\boxed{3} or \\boxed{4}" isn't 4."""
    if not content:
        return None
    begin = text.rfind("\n", max(0, start - LONGEST), start) + 1
    if (label := LABEL.match(text, begin)) and label["colon"]:
        whole = cleaned(line(text, label.end()))
        if whole and len(BOX.findall(whole)) > 1:
            return whole
    return (
        f"-{content}" if MINUS.search(text[max(begin, start - 20) : start]) else content
    )


def labelled(text: str, word: int) -> str | None:
    """The answer behind the label whose word "answer" begins at `word`: on its line or, if that ends, below."""
    begin = text.rfind("\n", max(0, word - 50), word) + 1
    label = LABEL.match(text, begin)
    if label is None or label.start("word") != word:
        return None
    if label["colon"]:
        return cleaned(line(text, label.end())) or below(text, label.end())
    alone = not line(text, label.end()).strip("*_ \t\r")
    return (
        below(text, text.find("\n", word))
        if alone and HEADING.match(text, begin)
        else None
    )


def said(text: str, start: int, end: int) -> str | None:
    """The answer in a sentence "the answer is X.", up to its end, or on the line below "the answer is:"."""
    verb = BEHIND_SAID.match(text, end)
    if verb is None or not BEFORE_SAID.search(text, max(0, start - 30), start):
        return None
    answer = cleaned(SENTENCE_END.split(line(text, verb.end()), maxsplit=1)[0])
    if answer is None:
        return below(text, verb.end()) if verb["colon"] else None
    return None if ABOUT.match(answer) else answer


def below(text: str, end: int) -> str | None:
    """The next line that isn't blank, unless it is another label or an item of a list."""
    gap = BREAK.match(text, end)
    if gap is None or BULLET.match(text, gap.end()) or LABEL.match(text, gap.end()):
        return None
    return cleaned(line(text, gap.end()))


def line(text: str, start: int) -> str:
    """The rest of the line; "" where it is too long to be an answer."""
    end = text.find("\n", start, start + LONGEST)
    if end < 0:
        end = len(text) if len(text) <= start + LONGEST else start
    return text[start:end]


def cleaned(answer: str) -> str | None:
    """Without bold type and white space around; None when nothing remains. `2**3` keeps its stars."""
    return BOLD.sub(r"\1", answer.strip()).strip("* \t\r") or None
