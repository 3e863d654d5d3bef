"""The student's answers as a run asks for them: from a model in this process, or from a server."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, Protocol

from . import config as cfg
from .criteria import CRITERIA
from .errors import ConfigError
from .rundir import Run
from .student.attempt import Asked, Sampling, attempt
from .student.chat import Chat
from .student.embed import embed
from .student.folder import cache_folder
from .student.frozen import Frozen, freeze
from .student.measure import Answers, Measured, Question, Samples, by_example, measure, questions
from .student.served.asking import Limits
from .student.served.server import SERVER_SIGNALS, TRANSFORMERS_SIGNALS, attempt_on_server, reader
from .student.served.serving import Serving
from .types import ArrayFile, Attempt, Example, Student, Task


class Answering(Protocol):
    def __call__(self, asked: Sequence[Asked], sampling: Sampling | None = None) -> list[Measured]: ...


@dataclass(frozen=True)
class Answerer:
    """A student's answers to questions of the task, in shards of the run. serving: what answers; None: this process."""

    run: Run
    task: Task
    chat: Chat
    max_new_tokens: int
    precision: Literal["float32", "bf16"]
    serving: Serving | None = None

    def __call__(self, student: Student, questions: Iterable[tuple[str, str]]) -> tuple[Attempt, ...]:
        """questions: (id, question) pairs."""
        asked = [Asked(id, self.task.prompt(question)) for id, question in questions]
        answer = self.answering(student)
        return self.run.map(lambda part: [found.attempt for found in answer(part)], asked, of=Attempt)

    def measure(self, student: Student, examples: Sequence[Example], samples: Samples | None = None) -> Answers:
        """All that a report asks of the student, in one map: a kill costs one shard of it.

        A served student gives no likelihood of gold solutions.
        """
        answer = self.answering(student)

        def part(asked: Sequence[Question]) -> list[Measured]:
            return measure(answer, asked, samples)

        return by_example(self.run.map(part, questions(self.task, examples, samples), of=Measured), len(examples))

    def embed(self, student: Student, asked: Sequence[Asked]) -> ArrayFile:
        """Where a student sees questions, as embedding_N_D."""
        loaded = self.loaded(student)
        return self.run.map_array(lambda part: embed(loaded(), self.chat, part), asked)

    def answering(self, student: Student) -> Answering:
        if self.serving is not None:
            return self.served(student, self.serving)
        loaded = self.loaded(student)

        def answer(asked: Sequence[Asked], sampling: Sampling | None = None) -> list[Measured]:
            done = attempt(loaded(), self.chat, asked, self.max_new_tokens, sampling)
            return [Measured(*pair) for pair in zip(done.attempts, done.target_nll, strict=True)]

        return answer

    def served(self, student: Student, serving: Serving) -> Answering:
        """From a server; from the student's adapter on it, where there is one."""
        folder = self.run.path(student)
        words = cache(lambda: reader(folder))

        def answer(asked: Sequence[Asked], sampling: Sampling | None = None) -> list[Measured]:
            adapter = folder / "adapter"
            server = serving.use(adapter if adapter.is_dir() else folder)
            done = attempt_on_server(server, words(), self.chat, asked, self.max_new_tokens, sampling)
            return [Measured(one) for one in done]

        return answer

    def loaded(self, student: Student) -> Callable[[], Frozen]:
        """The student in memory, as soon as it is asked for: only if a shard is missing."""
        return cache(lambda: freeze(self.run.path(student), self.precision))

    def stop(self) -> None:
        """Before finetuning, and at a run's end: a server that was started gives its memory back."""
        if self.serving is not None:
            self.serving.stop()


def make_answerer(
    config: cfg.Config, run: Run, task: Task, base: Path, precision: Literal["float32", "bf16"]
) -> Answerer:
    student = config.student
    serving = None
    if student.served:
        name = hashlib.sha256(str(run.folder.absolute()).encode()).hexdigest()[:12]
        serving = Serving(
            base,
            cache_folder() / "servers" / f"{name}.log",
            command=student.serve,
            base_url=student.base_url,
            model=student.served_model,
            limits=Limits(student.in_flight, student.tries, student.deadline_s, student.key_env),
            ready_s=student.ready_s,
        )
    chat = Chat(student.system, student.chat_template_kwargs)
    return Answerer(run, task, chat, student.max_new_tokens, precision, serving)


def check_signals(config: cfg.Config) -> None:
    """A criterion that needs what the student's backend can't give is refused, before anything is spent."""
    needed = CRITERIA[config.criterion].needs & TRANSFORMERS_SIGNALS
    if config.student.served and (missing := sorted(needed - SERVER_SIGNALS)):
        raise ConfigError(
            f"the criterion {config.criterion} needs {', '.join(missing)} of every attempt, which no server gives",
            got="student.serve" if config.student.serve else "student.base_url",
            allowed=f"on a server: criteria that need {', '.join(sorted(SERVER_SIGNALS))} at most",
            fix="leave student.serve and base_url out, or choose another criterion, such as loss",
        )
