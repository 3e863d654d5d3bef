"""Tells a model's thinking from its answer, and finds marks that no row may be trained on.

*Thinking* is what a model says before its answer. It has a field of its own in the reply, or stands
between marks at the beginning of the content. The opening mark is missing where the server's chat
template wrote it. Marks anywhere else, and special tokens of chat templates, mean that what is
thinking and what is answer can't be told apart.
"""

import re
from typing import NamedTuple

THINK_OPEN, THINK_CLOSE = "<think>", "</think>"

_TAG_NAMES = (
    r"(?:ant|seed:)?(?:think|thinking|thought|thoughts|reasoning|reflection|scratchpad)"
)
# What opens a block of thinking, and what closes it.
_BLOCKS = (
    (rf"<{_TAG_NAMES}>", rf"</{_TAG_NAMES}>"),
    (r"\[(?:THINK|THINKING|REASONING)\]", r"\[/(?:THINK|THINKING|REASONING)\]"),
    (r"<\|begin_of_(?:thought|thinking)\|>", r"<\|end_of_(?:thought|thinking)\|>"),
    (
        r"<\|(?:think|thinking|START_THINKING)\|>",
        r"<\|(?:/think|/thinking|END_THINKING)\|>",
    ),
    (r"◁think▷", r"◁/think▷"),
    # Gemma: <|channel>thought … <channel|>.
    (r"<\|channel>\s*(?:thought|thinking|analysis)\b", r"<channel\|>"),
)
_OPENINGS = [re.compile(rf"\s*(?:{opening})", re.IGNORECASE) for opening, _ in _BLOCKS]
_CLOSINGS = [re.compile(closing, re.IGNORECASE) for _, closing in _BLOCKS]

# OpenAI's harmony: channels of one message, as the model writes them; the last is the answer.
_HARMONY_START = re.compile(
    r"\s*(?:<\|start\|>\s*assistant\s*)?<\|channel\|>\s*(?P<channel>\w+)[^<]*?<\|message\|>"
)
_HARMONY_END = re.compile(r"<\|(?:end|return|call)\|>")
# The same without its special tokens: a server that left them out.
_BARE_HARMONY = re.compile(
    r"\s*analysis(?P<thought>.*?)assistant\s*final(?P<answer>.*)", re.DOTALL
)

# As chat templates have them: <|im_end|>, <｜end▁of▁sentence｜>, </s>, <end_of_turn>, [INST].
_SPECIAL_TOKEN = (
    r"<\|[^\s<>|]{1,40}\|?>|<[^\s<>|]{1,40}\|>|<｜[^\s<>｜]{1,40}｜>"
    r"|</?s>|<(?:eos|bos|pad|unk|EOD|EOT)>|<(?:start|end)_of_(?:turn|utterance|text|message)>"
    r"|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\]|<</?SYS>>"
)
_LAST_TOKENS = re.compile(rf"(?:\s*(?:{_SPECIAL_TOKEN}))+\s*$")
_FIRST_TOKENS = re.compile(
    r"^\s*(?:<s>|<bos>|<\|begin_of_text\|>|<｜begin▁of▁sentence｜>)\s*"
)
_ANY_MARK = re.compile(
    "|".join([_SPECIAL_TOKEN, *(mark for block in _BLOCKS for mark in block)]),
    re.IGNORECASE,
)
# A tab, a line feed and a carriage return are text; other controls are damage, such as \f of a
# \frac that JSON read.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
# Marks begin with one of these: trying there alone is many times quicker.
_MARK_BEGINNINGS = re.compile(r"<[|/<｜A-Za-z]|\[/?[A-Za-z]{4}|◁")


class SplitContent(NamedTuple):
    thought: str
    answer: str
    # Whether the thinking has an end.
    is_whole: bool = True


def split_thinking(content: str) -> SplitContent:
    """The thinking that the content begins with, and what comes after it."""
    content = _FIRST_TOKENS.sub("", content).strip()
    if _HARMONY_START.match(content):
        return _split_harmony(content)
    bare = _BARE_HARMONY.match(content) if content.startswith("analysis") else None
    if bare:
        return SplitContent(bare["thought"].strip(), _trim(bare["answer"]))

    thoughts = []
    while opened := _match_opening(content):
        closing, begin = opened
        end = closing.search(content, begin)
        if end is None:
            return SplitContent("", "", is_whole=False)
        thoughts.append(content[begin : end.start()].strip())
        content = content[end.end() :].strip()
    if not thoughts:
        thought, content = _split_at_lone_closing(content)
        thoughts = [thought]
    return SplitContent("\n".join(filter(None, thoughts)), _trim(content))


def find_mark(text: str) -> str | None:
    """A mark of thinking or of a chat template in a text, or None."""
    found = _search_mark(text)
    return found[0] if found else None


def _search_mark(text: str) -> re.Match[str] | None:
    for beginning in _MARK_BEGINNINGS.finditer(text):
        found = _ANY_MARK.match(text, beginning.start())
        if found:
            return found
    return None


def find_control(text: str) -> str | None:
    """A control character that no text should hold, or None."""
    if text.isprintable():
        return None
    found = _CONTROL.search(text)
    return found[0] if found else None


def _match_opening(content: str) -> tuple[re.Pattern[str], int] | None:
    """What closes the block that the content begins with, and where the block's text begins."""
    if content[:1] not in ("<", "[", "◁"):
        return None
    for opening, closing in zip(_OPENINGS, _CLOSINGS, strict=True):
        found = opening.match(content)
        if found:
            return closing, found.end()
    return None


def _split_at_lone_closing(content: str) -> tuple[str, str]:
    """The chat template may have written the opening mark. Then the content begins in thought."""
    first = _search_mark(content)
    if first and any(closing.fullmatch(first[0]) for closing in _CLOSINGS):
        return content[: first.start()].strip(), content[first.end() :].strip()
    return "", content


def _split_harmony(content: str) -> SplitContent:
    thoughts: list[str] = []
    while start := _HARMONY_START.match(content):
        end = _HARMONY_END.search(content, start.end())
        if start["channel"] == "final":
            return SplitContent("\n".join(thoughts), _trim(content[start.end() :]))
        if end is None:
            return SplitContent("", "", is_whole=False)
        thoughts.append(content[start.end() : end.start()].strip())
        content = content[end.end() :]
    return SplitContent("\n".join(thoughts), _trim(content))


def _trim(text: str) -> str:
    """Without special tokens at the end, which say only that the model stopped."""
    text = text.strip()
    if text.endswith((">", "]")):
        text = _LAST_TOKENS.sub("", text)
    return text.strip()
