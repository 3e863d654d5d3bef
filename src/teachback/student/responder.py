"""What a round asks of a student. A model in this process answers, or a server."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from ..run.directory import Run
from ..types import ArrayFile, Attempt, Attempts, Example, Grade, Student, Task
from .attempt import AttemptBatch, AttemptRequest, answer_questions
from .chat import Chat
from .embed import embed_questions
from .engines.server import (
    answer_on_server,
    load_weightless_student,
)
from .engines.serving import StudentServer
from .inference import InferenceModel, load_for_inference
from .loading import empty_gpu_cache
from .measure import (
    MeasuredAnswer,
    MeasuredQuestion,
    SamplingPlan,
    StudentAnswers,
    group_by_example,
    list_questions,
    measure_questions,
)
from .sampling import Sampling
from .scoring import read_answers, score_answers
from .sketch import make_sketch

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[np.float32]]


class AnswerFunction(Protocol):
    def __call__(
        self, asked: Sequence[AttemptRequest], sampling: Sampling | None = None
    ) -> list[MeasuredAnswer]: ...


class Responder(Protocol):
    """All that a round asks of a student.

    `StudentResponder` is the real one, `teachback.testing` has a fake.
    """

    def __call__(
        self, student: Student, questions: Iterable[tuple[str, str]]
    ) -> tuple[Attempt, ...]: ...

    def attempts(
        self,
        student: Student,
        pool: Sequence[Example],
        arrays: Sequence[str],
        sketch_seed: int,
    ) -> Attempts: ...

    def measure(
        self, student: Student, examples: Sequence[Example]
    ) -> StudentAnswers: ...

    def samples(
        self, student: Student, examples: Sequence[Example], samples: SamplingPlan
    ) -> tuple[tuple[Grade, ...], ...]: ...

    def gold_nll(
        self, student: Student, examples: Sequence[Example]
    ) -> tuple[float, ...]: ...

    def gold_gradients(
        self,
        student: Student,
        seeds: Sequence[Example],
        dev: Sequence[Example],
        sketch_seed: int,
    ) -> tuple[ArrayFile, ArrayFile]: ...


class LoadedStudent:
    """The student that was asked last, in memory: a round asks the same one several times.

    One at a time.
    """

    def __init__(self, precision: Literal["float32", "bf16"]) -> None:
        self._precision, self._last = precision, dict[Path, InferenceModel]()

    def __call__(self, folder: Path) -> InferenceModel:
        if folder not in self._last:
            self.drop()
            self._last[folder] = load_for_inference(folder, self._precision)
        return self._last[folder]

    def drop(self) -> None:
        if self._last:
            self._last.clear()
            empty_gpu_cache()


@dataclass(frozen=True)
class StudentResponder:
    """A student's answers to questions of the task, in shards of the run. serving: what answers;
    None: this process.
    """

    run: Run
    task: Task
    chat: Chat
    max_new_tokens: int
    held: LoadedStudent
    serving: StudentServer | None = None

    def __call__(
        self, student: Student, questions: Iterable[tuple[str, str]]
    ) -> tuple[Attempt, ...]:
        """questions: (id, question) pairs."""
        asked = [
            AttemptRequest(id, self.task.prompt(question)) for id, question in questions
        ]
        answer = self.answering(student)
        return self.run.map(
            lambda part: [found.attempt for found in answer(part)], asked, of=Attempt
        )

    def attempts(
        self,
        student: Student,
        pool: Sequence[Example],
        arrays: Sequence[str],
        sketch_seed: int,
    ) -> Attempts:
        """Every seed's. arrays: which of "embedding" and "gradient" are kept of them."""
        asked = [AttemptRequest(e.id, self.task.prompt(e.question)) for e in pool]
        if not arrays:
            return Attempts(self(student, ((e.id, e.question) for e in pool)))
        loaded = self.loaded(student)
        sketch = cache(
            lambda: make_sketch(loaded(), sketch_seed) if "gradient" in arrays else None
        )

        def part(
            asked: Sequence[AttemptRequest],
        ) -> tuple[list[Attempt], dict[str, "Array"]]:
            done = answer_questions(
                loaded(), self.chat, asked, self.max_new_tokens, sketch=sketch()
            )
            return done.attempts, {name: select_array(done, name) for name in arrays}

        rows, files = self.run.map_arrays(part, asked, of=Attempt)
        return Attempts(rows, files.get("embedding"), files.get("gradient"))

    def samples(
        self, student: Student, examples: Sequence[Example], samples: SamplingPlan
    ) -> tuple[tuple[Grade, ...], ...]:
        """Sampled answers to each example, graded."""
        answer, by_id = self.answering(student), {e.id: e for e in examples}
        asked = [
            MeasuredQuestion(e.id, self.task.prompt(e.question), sample=k)
            for e in examples
            for k in range(samples.n)
        ]

        def part(asked: Sequence[MeasuredQuestion]) -> list[Grade]:
            return [
                self.graded(by_id[m.attempt.id], m.attempt)
                for m in measure_questions(answer, asked, samples)
            ]

        grades = self.run.map(part, asked, of=Grade, name="samples")
        return tuple(
            grades[i : i + samples.n] for i in range(0, len(grades), samples.n)
        )

    def graded(self, example: Example, attempt: Attempt) -> Grade:
        """Against its gold answer; where there is none, what can be read in it as the final
        answer.
        """
        if attempt.truncated:
            return Grade("truncated")
        if example.answer is None:
            return self.task.verify(example.question, attempt.text)
        return self.task.grade(example, attempt.text)

    def gold_nll(
        self, student: Student, examples: Sequence[Example]
    ) -> tuple[float, ...]:
        """Of the gold solutions, nats a token."""
        loaded = self.loaded(student)
        return self.run.map(
            lambda rows: score_answers(loaded(), self.chat, rows),
            self.gold(examples),
            of=float,
            name="gold",
        )

    def gold_gradients(
        self,
        student: Student,
        seeds: Sequence[Example],
        dev: Sequence[Example],
        sketch_seed: int,
    ) -> tuple[ArrayFile, ArrayFile]:
        """gradient_N_M of the seeds' gold solutions, and the mean of dev's normalised ones, as
        gradient_M.
        """
        import numpy as np

        loaded = self.loaded(student)
        sketch = cache(lambda: make_sketch(loaded(), sketch_seed))

        def part(rows: Sequence[tuple[str, str]]) -> "Array":
            return np.stack(
                [
                    one.gradient_M
                    for one in read_answers(loaded(), self.chat, rows, sketch=sketch())
                    if one.gradient_M is not None
                ]
            )

        gold = self.run.map_array(part, self.gold(seeds), name="gold")
        dev_N_M = self.run.load_array(
            self.run.map_array(part, self.gold(dev), name="dev-rows")
        )
        mean_M = (dev_N_M / np.linalg.norm(dev_N_M, axis=1, keepdims=True)).mean(0)
        return gold, self.run.save_array("dev", mean_M)

    def gold(self, examples: Sequence[Example]) -> list[tuple[str, str]]:
        """(message, solution) of the examples that have one."""
        targets = [(e, self.task.target(e)) for e in examples]
        return [
            (self.task.prompt(e.question), target)
            for e, target in targets
            if target is not None
        ]

    def measure(
        self,
        student: Student,
        examples: Sequence[Example],
        samples: SamplingPlan | None = None,
    ) -> StudentAnswers:
        """All that a report asks of the student, in one map: a kill costs one shard of it.

        A served student gives no likelihood of gold solutions.
        """
        answer = self.answering(student)

        def part(asked: Sequence[MeasuredQuestion]) -> list[MeasuredAnswer]:
            return measure_questions(answer, asked, samples)

        return group_by_example(
            self.run.map(
                part, list_questions(self.task, examples, samples), of=MeasuredAnswer
            ),
            len(examples),
        )

    def embed(self, student: Student, asked: Sequence[AttemptRequest]) -> ArrayFile:
        """Where a student sees questions, as embedding_N_D."""
        loaded = self.loaded(student)
        return self.run.map_array(
            lambda part: embed_questions(loaded(), self.chat, part), asked
        )

    def answering(self, student: Student) -> AnswerFunction:
        if self.serving is not None:
            return self.served(student, self.serving)
        loaded = self.loaded(student)

        def answer(
            asked: Sequence[AttemptRequest], sampling: Sampling | None = None
        ) -> list[MeasuredAnswer]:
            done = answer_questions(
                loaded(), self.chat, asked, self.max_new_tokens, sampling
            )
            return [
                MeasuredAnswer(*pair)
                for pair in zip(done.attempts, done.target_nll, strict=True)
            ]

        return answer

    def served(self, student: Student, serving: StudentServer) -> AnswerFunction:
        """From a server; from the student's adapter on it, where there is one."""
        folder = self.run.path(student)
        words = cache(lambda: load_weightless_student(folder))

        def answer(
            asked: Sequence[AttemptRequest], sampling: Sampling | None = None
        ) -> list[MeasuredAnswer]:
            adapter = folder / "adapter"
            server = serving.use(adapter if adapter.is_dir() else folder)
            done = answer_on_server(
                server, words(), self.chat, asked, self.max_new_tokens, sampling
            )
            return [MeasuredAnswer(one) for one in done]

        return answer

    def loaded(self, student: Student) -> Callable[[], InferenceModel]:
        """The student in memory, as soon as it is asked for: only if a shard is missing."""
        return lambda: self.held(self.run.path(student))

    def stop(self) -> None:
        """Before finetuning, and at a run's end: what answers gives its memory back."""
        self.held.drop()
        if self.serving is not None:
            self.serving.stop()


def select_array(done: AttemptBatch, name: str) -> "Array":
    array = done.embedding_N_D if name == "embedding" else done.gradient_N_M
    assert array is not None
    return array
