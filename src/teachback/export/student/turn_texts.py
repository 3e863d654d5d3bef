"""What a chat template writes around the texts of a conversation, found by asking it.

A template is a program. Most only put fixed texts around the messages: then these texts say all of
it, and can be written in another template's language. Where they don't, it is refused.
"""

from itertools import product
from typing import NamedTuple

from ...errors import ConfigError
from ...student.chat import Chat, render_chat
from .saved_student import SavedStudent

# Texts that no template writes by itself.
SYSTEM = "first-teachback-probe"
QUESTION = "second-teachback-probe"
ANSWER = "third-teachback-probe"
NEXT_QUESTION = "fourth-teachback-probe"
# What would show a template that looks at texts: quotes, braces, markup, other scripts.
HARD_TEXT = "1) \"Is\" it {{ 'so' }}?\n\n2) {% if %} <b>&amp;</b> \\n → ü 猫 `end`"


class TurnTexts(NamedTuple):
    """The fixed texts, in their order."""

    # Around a system message; None: the template takes none.
    before_system: str | None
    after_system: str | None  # up to the first question
    before_question: str  # the start of a conversation without a system message
    after_question: str  # up to where the student answers
    before_answer: str  # of an earlier turn, behind that
    after_answer: str  # up to the next question

    def fill(self, system: str | None, question: str) -> str:
        """The prompt that they make."""
        if system is None:
            start = self.before_question
        else:
            start = f"{self.before_system}{system}{self.after_system}"
        return f"{start}{question}{self.after_question}"


def find_turn_texts(student: SavedStudent, chat: Chat) -> TurnTexts:
    """Raises ConfigError for a template that does more than to put texts around messages."""
    plain = Chat(None, chat.options, chat.today)
    prompt = render_turns(student, plain, None, QUESTION)
    before_question, after_question = split_at(prompt, QUESTION)
    text = render_turns(student, plain, None, QUESTION, ANSWER, NEXT_QUESTION)
    start, between, after_answer, end = split_at(text, QUESTION, ANSWER, NEXT_QUESTION)
    if (start, end) != (before_question, after_question):
        raise make_template_error(repr(text))
    before_system, after_system = find_system_texts(student, plain, chat.system)
    # A reasoning model's template may write less before an earlier answer: no thinking.
    is_longer = between.startswith(after_question)
    before_answer = between.removeprefix(after_question) if is_longer else ""
    texts = TurnTexts(
        before_system,
        after_system,
        before_question,
        after_question,
        before_answer,
        after_answer,
    )
    check_turn_texts(student, plain, texts)
    return texts


def check_turn_texts(student: SavedStudent, chat: Chat, texts: TurnTexts) -> None:
    """Raises ConfigError unless they make the template's own prompts, whatever is in them."""
    systems = [None] if texts.before_system is None else [None, SYSTEM, HARD_TEXT]
    for system, question in product(systems, (QUESTION, HARD_TEXT)):
        rendered = render_turns(student, chat, system, question)
        if rendered != texts.fill(system, question):
            raise make_template_error(repr(rendered))


def find_system_texts(
    student: SavedStudent, chat: Chat, needed: str | None
) -> tuple[str | None, str | None]:
    """needed: the system message that the student was taught with."""
    from jinja2 import TemplateError

    try:
        text = render_turns(student, chat, SYSTEM, QUESTION)
    except TemplateError:
        # Some templates raise an error for a system message, and others leave it out.
        text = QUESTION
    if SYSTEM not in text and needed is None:
        return None, None
    before, after, _ = split_at(text, SYSTEM, QUESTION)
    return before, after


def render_turns(
    student: SavedStudent, chat: Chat, system: str | None, *texts: str
) -> str:
    """A conversation that ends where the next answer begins."""
    turns = [
        {"role": ("user", "assistant")[i % 2], "content": text}
        for i, text in enumerate(texts)
    ]
    if system is not None:
        turns.insert(0, {"role": "system", "content": system})
    return render_chat(student, chat, turns, ask=True)


def split_at(text: str, *marks: str) -> list[str]:
    """The texts between the marks. Raises ConfigError unless each is there once, in order."""
    parts: list[str] = []
    rest = text
    for mark in marks:
        if rest.count(mark) != 1:
            raise make_template_error(repr(text))
        before, _, rest = rest.partition(mark)
        parts.append(before)
    return [*parts, rest]


def make_template_error(got: str) -> ConfigError:
    return ConfigError(
        "the student's chat template can't be written as an Ollama template",
        got=got,
        allowed="a template that puts fixed texts around each message",
        fix="--to gguf: the file holds the chat template as it is, for llama-server --jinja",
    )
