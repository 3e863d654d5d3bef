"""What is sent to a chat-completions endpoint, and what is read out of its answers. No network here.

**Worst cases.** A token is at least one byte, so a request costs at most its bytes + `template_tokens` (what the
server's chat template adds) + its completion cap. A pair is reserved as a whole, before its new question is known:
the answer's request is counted with the longest question that is let through, 8 bytes for each token of the
question's cap. A longer question becomes a rejected draft and is never sent, so no call outgrows its share.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from ..errors import ConfigError
from ..ledger import Usage
from ..types import Example, Scalar

Role = Literal["question", "answer"]

SHIPPED = Path(__file__).parent / "prompts"
FIELD = re.compile(r"\{([A-Za-z_]\w*)\}")
FIELDS: Mapping[Role, frozenset[str]] = {"question": frozenset({"question", "n"}), "answer": frozenset({"question"})}
OURS = frozenset({"model", "messages", "n", "stream", "max_tokens", "max_completion_tokens"})

QUESTION_BYTES_A_TOKEN = 8


@dataclass(frozen=True)
class Endpoint:
    """Where the teacher is and how it is asked.

    key_env: name of the environment variable with the key; None sends no key. max_tokens_*: completion caps.
    in_flight: pairs at a time. tries: of each call. deadline_s: seconds for one try, the whole answer included.
    template_tokens: upper bound of what the chat template adds to a request. options: further fields of the request
    (temperature, ...), sent as they are. cap_field: the field that carries the cap (`max_tokens`, or
    `max_completion_tokens` for OpenAI's newer models). Raises ConfigError for values that can't work.
    """

    base_url: str
    model: str
    key_env: str | None
    max_tokens_question: int
    max_tokens_answer: int
    in_flight: int = 16
    tries: int = 3
    deadline_s: float = 120
    template_tokens: int = 64
    options: Mapping[str, Scalar] = field(default_factory=dict)
    cap_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"

    def __post_init__(self) -> None:
        for name in ("max_tokens_question", "max_tokens_answer", "in_flight", "tries", "deadline_s"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} of the teacher", got=getattr(self, name), allowed="more than 0")
        url = urlsplit(self.base_url)
        if url.scheme not in ("http", "https") or not url.hostname:
            raise ConfigError("base_url of the teacher", got=self.base_url, allowed="http://... or https://...")
        if url.username is not None:  # not shown: it may hold a password
            raise ConfigError("base_url of the teacher holds credentials", fix="name the key's variable in key_env")
        if taken := OURS & set(self.options):
            raise ConfigError("options of the teacher", got=sorted(taken), allowed=f"any field but {sorted(OURS)}")

    @property
    def url(self) -> str:
        return self.base_url.rstrip("/") + "/chat/completions"

    @property
    def question_bytes(self) -> int:
        """The longest question that is let through, in bytes as it stands in a request."""
        return QUESTION_BYTES_A_TOKEN * self.max_tokens_question

    def cap(self, role: Role) -> int:
        return self.max_tokens_question if role == "question" else self.max_tokens_answer

    def request(self, role: Role, prompt: str) -> bytes:
        """The exact body of a request. Sorted, so that the ledger finds it whatever order the options came in."""
        message = {"role": "user", "content": prompt}
        return to_json({**self.options, "model": self.model, "messages": [message], self.cap_field: self.cap(role)})

    def worst(self, role: Role, request: bytes) -> int:
        """The most tokens that a call can cost (rule L3)."""
        return len(request) + self.template_tokens + self.cap(role)


@dataclass(frozen=True)
class Prompts:
    """The texts of the two calls, with fields in braces; sha256 covers both."""

    question: str
    answer: str
    sha256: str


def load_prompts(folder: str | Path) -> Prompts:
    """Prompts by a shipped name, or from a folder with `question.txt` and `answer.txt`.

    Raises ConfigError: no such folder or file, a field that is not known, one that is missing.
    """
    names = sorted(path.name for path in SHIPPED.iterdir() if path.is_dir())
    root = SHIPPED / folder if str(folder) in names else Path(folder)
    if not root.is_dir():
        raise ConfigError("prompts of the teacher", got=folder, allowed=f"a folder, or one of {', '.join(names)}")
    question, answer = read_template(root, "question"), read_template(root, "answer")
    return Prompts(question, answer, hashlib.sha256(to_json([question, answer])).hexdigest())


def price(seed: Example, n: int, endpoint: Endpoint, prompts: Prompts) -> int:
    """The most tokens that the n-th pair of a seed can cost, its tries in doubt left out."""
    asked = ask_question(seed, n, endpoint, prompts)
    answered = ask_answer("x" * endpoint.question_bytes, endpoint, prompts)
    return endpoint.worst("question", asked) + endpoint.worst("answer", answered)


class Unusable(Exception):
    """An answer that was paid for and can't be used; the text is the draft's reason."""


def read_template(root: Path, role: Role) -> str:
    path = root / f"{role}.txt"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the prompt file {path} can't be read", got=error) from None
    found = set(FIELD.findall(text))
    if found != FIELDS[role]:
        raise ConfigError(
            f"the fields of the prompt file {path}",
            got=", ".join(sorted(found)) or "none",
            allowed=", ".join(sorted(FIELDS[role])) + ", each at least once",
            fix="braces that are no field need a space inside: { a }",
        )
    return text


def ask_question(seed: Example, n: int, endpoint: Endpoint, prompts: Prompts) -> bytes:
    return endpoint.request("question", fill(prompts.question, question=seed.question, n=str(n)))


def ask_answer(question: str, endpoint: Endpoint, prompts: Prompts) -> bytes:
    return endpoint.request("answer", fill(prompts.answer, question=question))


def fill(template: str, **values: str) -> str:
    """One pass: what is put in is data, so its own braces are never read as fields."""
    return FIELD.sub(lambda match: values[match[1]], template)


def to_json(value: object) -> bytes:
    # A lone surrogate can't be UTF-8; written as \udXXX it is JSON's own escape for it.
    return json.dumps(value, ensure_ascii=False, sort_keys=True, allow_nan=False).encode("utf-8", "backslashreplace")


def read_text(body: str) -> str:
    """The text of a chat completion. Raises Unusable with the draft's reason."""
    try:
        choice = json.loads(body)["choices"][0]
        finish, content = choice.get("finish_reason"), choice["message"]["content"]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise Unusable("the teacher's answer is not a chat completion") from None
    if finish == "length":
        raise Unusable("cut off by the token limit")
    if not isinstance(content, str) or not content.strip():
        raise Unusable("no text in the teacher's answer")
    try:
        content.encode()
    except UnicodeEncodeError:
        raise Unusable("the teacher's answer is not valid Unicode") from None
    return content.strip()


def read_question(body: str, most: int) -> str:
    """The last tagged question: a teacher that thinks aloud may have tried others before. most: bytes in a request."""
    head, _, _ = read_text(body).rpartition("</question>")
    _, tag, question = head.rpartition("<question>")
    question = question.strip()
    if not tag or not question:
        raise Unusable("no question in the teacher's answer")
    if len(to_json(question)) - 2 > most:
        raise Unusable(f"the teacher's question is longer than {most} bytes")
    return question


def read_usage(body: str) -> Usage | None:
    """What the server says it used, or None. Some count hidden reasoning in the total alone: then it is output."""
    try:
        usage = json.loads(body)["usage"]
        prompt, completion, total = usage["prompt_tokens"], usage["completion_tokens"], usage.get("total_tokens")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    if not (is_count(prompt) and is_count(completion)):
        return None
    return Usage(prompt, max(completion, total - prompt) if is_count(total) else completion)


def is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53
