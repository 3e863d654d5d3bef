"""The texts that a teacher is asked with: templates with fields in braces, from a folder or by a
shipped name.

    question.txt                 asks for a new question like {question}; {n} tells the requests
                                 for one seed apart
    answer.txt                   asks for the answer to {question}
    pair.txt                     asks for both in one call
    question_with_attempt.txt    as question.txt, with the student's wrong answer in {attempt}
    pair_with_attempt.txt        as pair.txt, with the same

Only what a setting needs is read and hashed. A setting that shows attempts needs the plain text
too: for the seeds that were answered rightly, or whose answer nobody could grade.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

from ..endpoints.encoding import encode_json
from ..errors import ConfigError

SHIPPED = Path(__file__).parent / "prompts"
# More of a student's attempt is not put into a prompt.
MAX_ATTEMPT_BYTES = 4000
PROMPT_FIELD = re.compile(r"\{([A-Za-z_]\w*)\}")
PROMPT_FIELDS: Mapping[str, frozenset[str]] = {
    "question": frozenset({"question", "n"}),
    "answer": frozenset({"question"}),
    "pair": frozenset({"question", "n"}),
    "question_with_attempt": frozenset({"question", "n", "attempt"}),
    "pair_with_attempt": frozenset({"question", "n", "attempt"}),
}


@dataclass(frozen=True)
class Prompts:
    """The templates that the settings need. Those that they don't need are None."""

    question: str | None
    answer: str | None
    # Of all templates that are there.
    sha256: str
    pair: str | None = None
    question_with_attempt: str | None = None
    pair_with_attempt: str | None = None

    @property
    def calls(self) -> Literal[1, 2]:
        return 2 if self.pair is None else 1

    def ask(self, question: str, n: int, attempt: str | None = None) -> str:
        """The message of the first call, for the n-th row of a seed.

        attempt: the student's wrong answer, where the prompt shows it.
        """
        fields = {"question": question, "n": str(n)}
        if attempt is None:
            template = self.pair if self.calls == 1 else self.question
        else:
            fields["attempt"] = attempt
            template = self.question_with_attempt
            if self.calls == 1:
                template = self.pair_with_attempt
        return fill_template(_check_loaded(template), **fields)

    def solve(self, question: str) -> str:
        """The message of the second call."""
        return fill_template(_check_loaded(self.answer), question=question)


def load_prompts(
    folder: str | Path,
    *,
    calls: Literal[1, 2] = 2,
    show_attempt: bool = False,
    answers: bool = False,
) -> Prompts:
    """Prompts by a shipped name, or from a folder.

    answers: answer.txt is needed too, although question and answer come in one call. Raises
    ConfigError for no such folder or file, an unknown field, and a missing one.
    """
    root = find_prompts(folder)
    first = "question" if calls == 2 else "pair"
    names = [first]
    if calls == 2 or answers:
        names.append("answer")
    if show_attempt:
        names.append(f"{first}_with_attempt")
    texts = {
        name: read_template(root / f"{name}.txt", PROMPT_FIELDS[name]) for name in names
    }
    # A list for the plain pair of calls: the hash that runs had when there was no other setting.
    hashed = list(texts.values()) if names == ["question", "answer"] else texts
    return Prompts(
        question=texts.get("question"),
        answer=texts.get("answer"),
        sha256=sha256(encode_json(hashed)).hexdigest(),
        pair=texts.get("pair"),
        question_with_attempt=texts.get("question_with_attempt"),
        pair_with_attempt=texts.get("pair_with_attempt"),
    )


def find_prompts(folder: str | Path) -> Path:
    shipped = sorted(path.name for path in SHIPPED.iterdir() if path.is_dir())
    root = SHIPPED / folder if str(folder) in shipped else Path(folder)
    if not root.is_dir():
        raise ConfigError(
            "prompts of the teacher",
            got=folder,
            allowed=f"a folder, or one of {', '.join(shipped)}",
        )
    return root


def read_all_templates(folder: str | Path) -> dict[str, str]:
    """Every template that is there, by name. The rehearsal server recognises prompts by them."""
    root = find_prompts(folder)
    paths = ((name, root / f"{name}.txt") for name in PROMPT_FIELDS)
    return {
        name: read_template(path, PROMPT_FIELDS[name])
        for name, path in paths
        if path.exists()
    }


def read_template(path: Path, fields: frozenset[str]) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the prompt file {path} can't be read", got=error) from None
    found = set(PROMPT_FIELD.findall(text))
    if found != fields:
        raise ConfigError(
            f"the fields of the prompt file {path}",
            got=", ".join(sorted(found)) or "none",
            allowed=", ".join(sorted(fields)) + ", each at least once",
            fix="braces that are no field need a space inside: { a }",
        )
    return text


def fill_template(template: str, **values: str) -> str:
    """Fill all fields in one pass. So braces in a value are never read as fields."""
    return PROMPT_FIELD.sub(lambda match: values[match[1]], template)


def cut_attempt(attempt: str) -> str:
    """A student's attempt, cut to what a request may hold of it."""
    while len(encode_json(attempt)) - 2 > MAX_ATTEMPT_BYTES:
        n_bytes = len(encode_json(attempt))
        attempt = attempt[: len(attempt) * MAX_ATTEMPT_BYTES // n_bytes]
    return attempt


def _check_loaded(template: str | None) -> str:
    if template is None:
        raise ValueError("these prompts were loaded for another setting")
    return template
