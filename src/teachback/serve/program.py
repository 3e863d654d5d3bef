"""Serves a task's exact program as a teacher that answers prompts.

A client asks it as any teacher, with filled-in prompt templates. The program inverts the templates
to find the seed and n, and replies with the exercise that the program teacher gives for them.
"""

import re
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import NamedTuple

from ..endpoints.endpoint import Messages
from ..errors import ConfigError, TeachbackError
from ..teachers.program import ProgramTeacher
from ..teachers.prompts import PROMPT_FIELD, PROMPT_FIELDS
from ..types import Example, Exercise, Task
from .faults import FaultSchedule
from .messages import RehearsalTeacher, TeacherReply, UnanswerableRequest, count_words
from .pace import LatencyModel, RequestLimit
from .server import serve_until_stopped
from .service import RehearsalOptions

# draw(purpose, seed id, k): the random numbers of one try.
DrawFunction = Callable[[str, str, int], Random]
# The solution of a question, or None.
SolveFunction = Callable[[str], str | None]

# What a field of a template may hold. The patterns match as little as possible. Otherwise an
# attempt that quotes the prompt would lengthen the question before it. The program ignores
# `attempt`, which is the student's.
FIELD_PATTERNS = {"question": "(?s:.*?)", "n": "[0-9]{1,6}", "attempt": "(?s:.*?)"}
# Templates that ask for a new exercise are tried before the one that asks for a solution.
TEMPLATE_FIELDS = {
    name: PROMPT_FIELDS[name]
    for name in sorted(PROMPT_FIELDS, key=lambda name: name == "answer")
}


class SeedExercise(NamedTuple):
    """The n-th exercise of a seed."""

    exercise: Exercise
    seed: str
    n: int


@dataclass(frozen=True)
class RehearsalProgram:
    """Answers prompts made from the templates. Raises UnanswerableRequest for any other."""

    program: ProgramTeacher
    templates: Mapping[str, re.Pattern[str]]  # by name
    seeds: Mapping[str, Example]  # by question
    solve: SolveFunction | None  # for exercises that another process wrote
    # The exercises that this process wrote, by question.
    exercises: dict[str, SeedExercise] = field(default_factory=dict)

    def __call__(self, messages: Messages) -> TeacherReply:
        prompt = messages[-1]["content"].strip()
        matching_templates = []
        for name, pattern in self.templates.items():
            match = pattern.fullmatch(prompt)
            if match:
                matching_templates.append(name)
                reply = self.reply_to(name, match.groupdict())
                if reply:
                    return reply
        if not matching_templates:
            raise UnanswerableRequest(
                "the prompt was not made from this server's templates"
            )
        raise UnanswerableRequest(
            f"it is a prompt for {' or '.join(matching_templates)}, but its question is none "
            "that this server knows or can solve"
        )

    def reply_to(self, template: str, fields: Mapping[str, str]) -> TeacherReply | None:
        """Reply to a prompt made from this template, or return None for an unknown question."""
        question = fields["question"].strip()
        role = template.removesuffix("_with_attempt")
        if role == "answer":
            return self.solve_question(question)
        return self.write_exercise(role, question, int(fields["n"]))

    def write_exercise(self, role: str, question: str, n: int) -> TeacherReply | None:
        seed = self.seeds.get(question)
        if seed is None:
            return None
        try:
            exercise = self.program.write_exercise(seed, n)
        except TeachbackError as error:
            raise UnanswerableRequest(str(error)) from None
        self.exercises[exercise.question.strip()] = SeedExercise(exercise, seed.id, n)
        text = f"<question>\n{exercise.question}\n</question>"
        if role == "pair":
            text += f"\n<solution>\n{exercise.text}\n</solution>"
        return TeacherReply(text, role, seed.id, n)

    def solve_question(self, question: str) -> TeacherReply | None:
        if question in self.exercises:
            exercise, seed, n = self.exercises[question]
            return TeacherReply(exercise.text, "answer", seed, n)
        text = self.solve(question) if self.solve else None
        return TeacherReply(text, "answer") if text else None


def program_teacher(
    task: Task,
    draw: DrawFunction,
    templates: Mapping[str, str],
    solve: SolveFunction | None,
) -> RehearsalTeacher:
    """A teacher that answers prompts made from these templates with the task's program.

    templates: any of TEMPLATE_FIELDS; "pair" asks for question and solution in one call.
    draw: as for the program teacher. solve: for exercises written before this server was started.
    Raises ConfigError for a task without a program and for unusable templates.
    """
    if task.write is None:
        raise ConfigError(
            f"the task {task.name} can't set exercises of its own",
            fix="a task with a program: prontoqa",
        )
    unknown = templates.keys() - TEMPLATE_FIELDS.keys()
    if unknown:
        raise ConfigError(
            "prompt templates",
            got=", ".join(sorted(unknown)),
            allowed=", ".join(TEMPLATE_FIELDS),
        )
    patterns = {
        name: template_pattern(templates[name], fields)
        for name, fields in TEMPLATE_FIELDS.items()
        if name in templates
    }
    # Of seeds with equal questions, the first one counts.
    seeds = {seed.question.strip(): seed for seed in reversed(task.seeds)}
    return RehearsalProgram(
        ProgramTeacher(task, draw, count_words), patterns, seeds, solve
    )


def template_pattern(template: str, fields: Set[str]) -> re.Pattern[str]:
    """Invert a prompt template: the pattern matches a filled-in prompt, with its fields as groups.

    Surrounding spaces are ignored. A field that occurs twice must hold the same text twice.
    """
    parts = PROMPT_FIELD.split(template.strip())
    # The split leaves literal texts and names of fields, in turn.
    names = set(parts[1::2])
    if names != fields:
        raise ConfigError(
            "the fields of a prompt template",
            got=", ".join(sorted(names)) or "none",
            allowed=", ".join(sorted(fields)),
        )
    pattern = ""
    earlier_fields: set[str] = set()
    for position, part in enumerate(parts):
        is_literal = position % 2 == 0
        if is_literal:
            pattern += re.escape(part)
        elif part in earlier_fields:
            pattern += f"(?P={part})"
        else:
            pattern += f"(?P<{part}>{FIELD_PATTERNS[part]})"
            earlier_fields.add(part)
    return re.compile(pattern)


def serve_task_program(
    task: Task,
    draw: DrawFunction,
    templates: Mapping[str, str],
    solve: SolveFunction | None,
    *,
    port: int,
    faults: FaultSchedule,
    latency_s: LatencyModel,
    limit: RequestLimit | None,
    api_key: str | None = None,
    log_path: Path | None = None,
) -> None:
    """Serve the task's program until Ctrl-C or SIGTERM. The first line printed is the base URL."""
    options = RehearsalOptions(
        program_teacher(task, draw, templates, solve),
        faults,
        latency_s=latency_s,
        limit=limit,
        api_key=api_key,
        log_path=log_path,
        keep_requests=False,
    )
    serve_until_stopped(options, port)
