"""The teachers behind the rehearsal server: the exact program of a task, asked in words, and a little one of additions.

The program is asked as any teacher is: with the prompts that the client fills. It turns them round to find which seed's
n-th exercise is meant, and gives the same exercise as the program teacher does.
"""

import re
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from random import Random

from ..endpoints.endpoint import Messages
from ..errors import ConfigError, TeachbackError
from ..teachers.program import Program
from ..teachers.prompts import FIELD, FIELDS
from ..types import Example, Task, Written
from .faults import Faults
from .messages import Reply, Teacher, Unanswerable, tokens
from .pace import Latency, Limit
from .server import serve
from .service import Service

Draw = Callable[[str, str, int], Random]
Solve = Callable[[str], str | None]

# What stands in a field: as short as it can be, so that an attempt that quotes the prompt does not lengthen the
# question before it. `attempt` is the student's; the program takes no notice of it.
VALUES = {"question": "(?s:.*?)", "n": "[0-9]{1,6}", "attempt": "(?s:.*?)"}
# Those that set a new exercise are tried before the one that asks for a solution.
TEMPLATES = {
    name: FIELDS[name] for name in sorted(FIELDS, key=lambda name: name == "answer")
}


@dataclass(frozen=True)
class ProgramTeacher:
    """Answers prompts made from the templates; anything else is Unanswerable.

    seeds: by their questions. solve: for the question of an exercise that another process set. written: those that
    this one set, by their questions, with the seed and n.
    """

    program: Program
    templates: Mapping[str, re.Pattern[str]]
    seeds: Mapping[str, Example]
    solve: Solve | None
    written: dict[str, tuple[Written, str, int]] = field(default_factory=dict)

    def __call__(self, messages: Messages) -> Reply:
        prompt = messages[-1]["content"].strip()
        matches = (
            (name, pattern.fullmatch(prompt))
            for name, pattern in self.templates.items()
        )
        found = {name: match.groupdict() for name, match in matches if match}
        for name, fields in found.items():
            role, question = (
                name.removesuffix("_with_attempt"),
                fields["question"].strip(),
            )
            reply = (
                self.solved(question)
                if role == "answer"
                else self.set(role, question, int(fields["n"]))
            )
            if reply:
                return reply
        known = f"it is a prompt for {' or '.join(found)}, but its question is none that this server knows or can solve"
        raise Unanswerable(
            known if found else "the prompt was not made from this server's templates"
        )

    def set(self, role: str, question: str, n: int) -> Reply | None:
        if (seed := self.seeds.get(question)) is None:
            return None
        try:
            written = self.program.exercise(seed, n)
        except TeachbackError as error:
            raise Unanswerable(str(error)) from None
        self.written[written.question.strip()] = written, seed.id, n
        solution = (
            f"\n<solution>\n{written.text}\n</solution>" if role == "pair" else ""
        )
        return Reply(
            f"<question>\n{written.question}\n</question>{solution}", role, seed.id, n
        )

    def solved(self, question: str) -> Reply | None:
        if question in self.written:
            written, seed, n = self.written[question]
            return Reply(written.text, "answer", seed, n)
        text = self.solve(question) if self.solve else None
        return Reply(text, "answer") if text else None


def program_teacher(
    task: Task, draw: Draw, templates: Mapping[str, str], solve: Solve | None
) -> Teacher:
    """The task's program behind these templates (any of TEMPLATES; "pair" asks for question and solution in one call).
    draw: as for the program teacher. solve: for exercises that were set before this server was started. Raises
    ConfigError for what can't be served."""
    if task.write is None:
        raise ConfigError(
            f"the task {task.name} can't set exercises of its own",
            fix="a task with a program: prontoqa",
        )
    if unknown := templates.keys() - TEMPLATES.keys():
        raise ConfigError(
            "prompt templates",
            got=", ".join(sorted(unknown)),
            allowed=", ".join(TEMPLATES),
        )
    patterns = {
        name: invert(templates[name], fields)
        for name, fields in TEMPLATES.items()
        if name in templates
    }
    seeds = {seed.question.strip(): seed for seed in reversed(task.seeds)}
    return ProgramTeacher(Program(task, draw, tokens), patterns, seeds, solve)


def invert(template: str, fields: Set[str]) -> re.Pattern[str]:
    """What matches a prompt made from the template, spaces around it aside, with its fields as groups. A field that
    stands there twice must hold the same twice."""
    parts = FIELD.split(template.strip())
    if (names := set(parts[1::2])) != fields:
        raise ConfigError(
            "the fields of a prompt template",
            got=", ".join(sorted(names)) or "none",
            allowed=", ".join(sorted(fields)),
        )
    pattern, seen = "", set[str]()
    for at, part in enumerate(parts):
        pattern += (
            re.escape(part)
            if at % 2 == 0
            else f"(?P={part})"
            if part in seen
            else f"(?P<{part}>{VALUES[part]})"
        )
        seen |= {part} if at % 2 else set()
    return re.compile(pattern)


def additions(messages: Messages) -> str:
    """A teacher that sets additions, each derived from the request's text, and solves them."""
    prompt = messages[-1]["content"]
    if "<question>" in prompt:
        number = int.from_bytes(
            sha256(prompt.encode("utf-8", "replace")).digest()[:4], "big"
        )
        first, second = number % 900 + 100, number // 900 % 90 + 10
        solution = (
            f"\n<solution>{_sum(first, second)}</solution>"
            if "<solution>" in prompt
            else ""
        )
        return (
            f"Here it is.\n<question>What is {first} + {second}?</question>{solution}"
        )
    return _sum(*map(int, re.findall(r"(\d+) \+ (\d+)", prompt)[-1]))


def _sum(first: int, second: int) -> str:
    return f"Adding the two numbers: {first} + {second} = {first + second}.\nAnswer: {first + second}"


def serve_program(
    task: Task,
    draw: Draw,
    templates: Mapping[str, str],
    solve: Solve | None,
    *,
    port: int,
    faults: Faults,
    latency: Latency,
    limit: Limit | None,
    key: str | None = None,
    log: Path | None = None,
) -> None:
    """Serves the task's program until Ctrl-C or SIGTERM; the first line on stdout is the base URL."""
    teacher = program_teacher(task, draw, templates, solve)
    serve(
        Service(
            teacher,
            faults,
            latency_s=latency,
            limit=limit,
            key=key,
            log=log,
            keep=False,
        ),
        port,
    )
