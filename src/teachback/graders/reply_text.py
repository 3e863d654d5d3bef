"""Which part of a model's reply is its answer: without its thoughts, and before other exercises."""

import re
from collections.abc import Iterator

THOUGHT = r"(?:seed:)?(?:think|thinking|thoughts?|reasoning|scratchpad|analysis)"
END_OF_THOUGHT = re.compile(
    rf"</{THOUGHT}>|\[/think\]|◁/think▷|<\|end_of_thought\|>|<\|channel\|>final<\|message\|>",
    re.IGNORECASE,
)
START_OF_THOUGHT = re.compile(
    rf"<{THOUGHT}>|\[think\]|◁think▷|<\|begin_of_thought\|>|<\|channel\|>analysis",
    re.IGNORECASE,
)
END_TOKEN = re.compile(
    r"(?:<\|\w{1,30}\|>|</s>|<eos>|<end_of_turn>|<｜[^<>｜]{1,30}｜>)$"
)
# A line that starts another exercise: models that don't stop go on with one of their own.
EXERCISE = re.compile(
    r"^[ \t>*_#]{0,9}(?:(?:(?:next|new|another)[ \t])?"
    r"(?:Q|question|problem|exercise|instruction|task)"
    r"(?P<number>[ \t]{0,3}#?\d{1,4})?|human|user)[*_]{0,3}[ \t]{0,3}[:：.)]|<\|im_start\|>user",
    re.IGNORECASE | re.MULTILINE,
)
# Right behind an answer, at the start of a sentence: the answer is taken back.
RETRACTION = re.compile(
    r"(?:[.!?…\n]|[-–—]\s)\s{0,9}[\"'*_(]{0,3}"
    r"(?:(?:but|hmm+|oh|ah|actually|no)\b[,.!… ]{0,3}\s{0,3}){0,3}"
    r"(?:wait\b|hold\son\b|oops\b|whoops\b|sorry\b|scratch\sthat|correction\s?:|on\ssecond\sthought"
    r"|no,\s(?:that|it|this|the|my)|(?:that|this|it)(?:['’]s|\s(?:is|was|seems|looks|must\sbe))\s"
    r"(?:wrong|incorrect|not\s(?:right|correct|true)|a\smistake|an\serror)"
    r"|(?:i|there)(?:['’]ve|\s(?:have|think\si|is|was|must\shave))?\s?(?:made|make|is)?\s?an?\s"
    r"(?:\w{1,15}\s)?(?:mistake|error)\b|i\swas\s(?:wrong|mistaken)|i\stake\s(?:that|it)\sback"
    r"|(?:it|that|this|the\sanswer)\sshould\s(?:actually\s)?(?:be|have\sbeen)\b(?!\s(?:noted"
    r"|clear|obvious|easy|mentioned|stressed))"
    r"|let\sme\s(?:redo|re-?calculate|recompute|reconsider|correct|fix|try\sagain|start\sover))",
    re.IGNORECASE,
)


def trim_reply(text: str) -> str:
    """The reply without a model's thoughts, closed or not, and without end tokens."""
    ends = list(END_OF_THOUGHT.finditer(text))
    if ends:
        text = text[ends[-1].end() :]
    if start := START_OF_THOUGHT.search(text):
        text = text[: start.start()]
    text = text.rstrip()
    while match := END_TOKEN.search(text, max(0, len(text) - 40)):
        text = text[: match.start()].rstrip()
    return text


def split_exercises(text: str) -> Iterator[str]:
    """The text up to the next line like "Question:", and each part behind one.

    Steps that the text numbers from the start ("Question 1: …") are one exercise.
    """
    headings = list(EXERCISE.finditer(text))
    numbered = [heading for heading in headings if heading["number"]]
    if numbered and "answer" not in text[: numbered[0].start()].casefold():
        headings = [heading for heading in headings if not heading["number"]]
    start = 0
    for heading in headings:
        yield text[start : heading.start()]
        start = heading.start()
    yield text[start:]


def takes_back(text: str, start: int) -> bool:
    """Whether the text says, behind `start`, that it was wrong."""
    return RETRACTION.search(text, start) is not None
