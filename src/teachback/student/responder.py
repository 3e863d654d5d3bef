"""What a run gets from a student: answers, and measurements of answers.

A model in this process answers, or a server. Work is done in shards of the run, which a resumed
run reads back. A student is loaded only if a shard is missing.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from ..run.directory import Run
from ..types import ArrayFile, Attempt, Attempts, Example, Grade, Row, Student, Task
from .attempt import AttemptBatch, AttemptRequest, answer_questions
from .chat import Chat
from .chat_check import HasContext, check_messages
from .embed import embed_questions
from .engines.server import (
    WeightlessStudent,
    answer_on_server,
    load_weightless_student,
)
from .engines.serving import StudentServer
from .inference import InferenceModel, load_for_inference
from .loading import DEFAULT_CHAT, empty_gpu_cache
from .measure import (
    AnswerFunction,
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
from .sketch import FloatArray, TensorSketch, make_sketch


class Responder(Protocol):
    """All that a round asks of a student.

    `StudentResponder` is the real one. `teachback.testing` has a fake.
    """

    def answer_questions(
        self, student: Student, questions: Iterable[Example | Row]
    ) -> tuple[Attempt, ...]: ...

    def collect_attempts(
        self,
        student: Student,
        pool: Sequence[Example],
        arrays: Sequence[str],
        sketch_seed: int,
    ) -> Attempts: ...

    def measure_answers(
        self, student: Student, examples: Sequence[Example]
    ) -> StudentAnswers: ...

    def sample_grades(
        self, student: Student, examples: Sequence[Example], samples: SamplingPlan
    ) -> tuple[tuple[Grade, ...], ...]: ...

    def compute_gold_nll(
        self, student: Student, examples: Sequence[Example]
    ) -> tuple[float, ...]: ...

    def compute_gold_gradients(
        self,
        student: Student,
        seeds: Sequence[Example],
        dev: Sequence[Example],
        sketch_seed: int,
    ) -> tuple[ArrayFile, ArrayFile]: ...


class StudentCache:
    """Keeps the student that was loaded last: a round uses the same one several times."""

    def __init__(self, precision: Literal["float32", "bf16"]) -> None:
        self._precision = precision
        self._folder: Path | None = None
        self._model: InferenceModel | None = None

    def load(
        self,
        folder: Path,
        chat: Chat = DEFAULT_CHAT,
        on_load: Callable[[InferenceModel], None] = lambda model: None,
    ) -> InferenceModel:
        """on_load: what is done with a student that wasn't in memory."""
        if self._model is None or folder != self._folder:
            self.clear()  # two students need not fit into memory
            model = load_for_inference(folder, self._precision, chat)
            on_load(model)
            self._model = model
            self._folder = folder
        return self._model

    def clear(self) -> None:
        if self._model is not None:
            self._model = None
            empty_gpu_cache()


@dataclass(frozen=True)
class StudentResponder:
    run: Run
    task: Task
    chat: Chat
    max_new_tokens: int
    cache: StudentCache
    # What answers questions; None: this process.
    server: StudentServer | None = None

    def answer_questions(
        self, student: Student, questions: Iterable[Example | Row]
    ) -> tuple[Attempt, ...]:
        """Return the greedy answer to each question."""
        answer = self._make_answer_function(student)

        def answer_shard(requests: Sequence[AttemptRequest]) -> list[Attempt]:
            return [measured.attempt for measured in answer(requests)]

        return self.run.map(answer_shard, self._requests(questions), of=Attempt)

    def collect_attempts(
        self,
        student: Student,
        pool: Sequence[Example],
        arrays: Sequence[str],
        sketch_seed: int,
    ) -> Attempts:
        """Return the attempts at all seeds.

        arrays: which are kept as well, of "embedding" and "gradient".
        """
        if not arrays:
            return Attempts(self.answer_questions(student, pool))
        load = self._loader(student)
        sketch = self._sketch_maker(load, sketch_seed)

        def attempt_shard(
            requests: Sequence[AttemptRequest],
        ) -> tuple[list[Attempt], dict[str, FloatArray]]:
            batch = answer_questions(
                load(),
                self.chat,
                requests,
                self.max_new_tokens,
                sketch=sketch() if "gradient" in arrays else None,
            )
            return batch.attempts, select_arrays(batch, arrays)

        rows, files = self.run.map_arrays(
            attempt_shard, self._requests(pool), of=Attempt
        )
        return Attempts(rows, files.get("embedding"), files.get("gradient"))

    def measure_answers(
        self,
        student: Student,
        examples: Sequence[Example],
        samples: SamplingPlan | None = None,
    ) -> StudentAnswers:
        """Measure all that a report needs, in one map, so that a kill costs one shard of it.

        A server gives no likelihood of gold solutions.
        """
        answer = self._make_answer_function(student)

        def measure_shard(
            questions: Sequence[MeasuredQuestion],
        ) -> list[MeasuredAnswer]:
            return measure_questions(answer, questions, samples)

        questions = list_questions(self.task, examples, samples)
        answers = self.run.map(measure_shard, questions, of=MeasuredAnswer)
        return group_by_example(answers, len(examples))

    def sample_grades(
        self, student: Student, examples: Sequence[Example], samples: SamplingPlan
    ) -> tuple[tuple[Grade, ...], ...]:
        """Sample answers to each example and grade them."""
        answer = self._make_answer_function(student)
        example_by_id = {example.id: example for example in examples}

        def grade_shard(questions: Sequence[MeasuredQuestion]) -> list[Grade]:
            grades = []
            for measured in measure_questions(answer, questions, samples):
                example = example_by_id[measured.attempt.id]
                grades.append(self._grade_attempt(example, measured.attempt))
            return grades

        questions = [
            MeasuredQuestion(example.id, self.task.prompt(example.question), sample=k)
            for example in examples
            for k in range(samples.n)
        ]
        grades = self.run.map(grade_shard, questions, of=Grade, name="samples")
        starts = range(0, len(grades), samples.n)
        return tuple(grades[start : start + samples.n] for start in starts)

    def compute_gold_nll(
        self, student: Student, examples: Sequence[Example]
    ) -> tuple[float, ...]:
        """Return the mean nll of each gold solution, in nats a token."""
        load = self._loader(student)

        def score_shard(rows: Sequence[tuple[str, str]]) -> list[float]:
            return score_answers(load(), self.chat, rows)

        rows = self._gold_rows(examples)
        return self.run.map(score_shard, rows, of=float, name="gold")

    def compute_gold_gradients(
        self,
        student: Student,
        seeds: Sequence[Example],
        dev: Sequence[Example],
        sketch_seed: int,
    ) -> tuple[ArrayFile, ArrayFile]:
        """Sketch the gradients of the gold solutions.

        Returns gradient_N_M of the seeds, and gradient_M of dev: the mean of its gradients,
        each scaled to length 1.
        """
        load = self._loader(student)
        sketch = self._sketch_maker(load, sketch_seed)

        def sketch_shard(rows: Sequence[tuple[str, str]]) -> FloatArray:
            answers = read_answers(load(), self.chat, rows, sketch=sketch())
            gradients = [
                answer.gradient_M for answer in answers if answer.gradient_M is not None
            ]
            return np.stack(gradients)

        seed_file = self.run.map_array(
            sketch_shard, self._gold_rows(seeds), name="gold"
        )
        dev_file = self.run.map_array(
            sketch_shard, self._gold_rows(dev), name="dev-rows"
        )
        dev_N_M = self.run.load_array(dev_file)
        length_N_1 = np.linalg.norm(dev_N_M, axis=1, keepdims=True)
        return seed_file, self.run.save_array("dev", (dev_N_M / length_N_1).mean(0))

    def embed_questions(
        self, student: Student, questions: Iterable[Example | Row]
    ) -> ArrayFile:
        """Return embedding_N_D of the questions."""
        load = self._loader(student)

        def embed_shard(requests: Sequence[AttemptRequest]) -> FloatArray:
            return embed_questions(load(), self.chat, requests)

        return self.run.map_array(embed_shard, self._requests(questions))

    def free_memory(self) -> None:
        """Unload the student and stop the server: before finetuning, and at a run's end."""
        self.cache.clear()
        if self.server is not None:
            self.server.stop()

    # -- who answers -------------------------------------------------------------------

    def _make_answer_function(self, student: Student) -> AnswerFunction:
        if self.server is not None:
            return self._make_server_answers(self.server, student)
        return self._make_local_answers(student)

    def _make_local_answers(self, student: Student) -> AnswerFunction:
        load = self._loader(student)

        def answer(
            requests: Sequence[AttemptRequest], sampling: Sampling | None = None
        ) -> list[MeasuredAnswer]:
            batch = answer_questions(
                load(), self.chat, requests, self.max_new_tokens, sampling
            )
            pairs = zip(batch.attempts, batch.target_nll, strict=True)
            return [MeasuredAnswer(attempt, nll) for attempt, nll in pairs]

        return answer

    def _make_server_answers(
        self, server: StudentServer, student: Student
    ) -> AnswerFunction:
        folder = self.run.path(student)
        load = cache(lambda: self._load_weightless(folder))

        def answer(
            requests: Sequence[AttemptRequest], sampling: Sampling | None = None
        ) -> list[MeasuredAnswer]:
            # A whole student takes another server, an adapter is loaded by the one that runs.
            adapter = folder / "adapter"
            target = server.use(adapter if adapter.is_dir() else folder)
            attempts = answer_on_server(
                target, load(), self.chat, requests, self.max_new_tokens, sampling
            )
            return [MeasuredAnswer(attempt) for attempt in attempts]

        return answer

    def _load_weightless(self, folder: Path) -> WeightlessStudent:
        student = load_weightless_student(folder, self.chat)
        self._check_questions(student)
        return student

    def _loader(self, student: Student) -> Callable[[], InferenceModel]:
        """A function that loads the student, for shards that are missing."""
        return lambda: self.cache.load(
            self.run.path(student), self.chat, self._check_loaded
        )

    def _check_loaded(self, model: InferenceModel) -> None:
        limits = model.abilities.describe_limits()
        if limits is not None:
            self.run.note_once("student", limits)
        self._check_questions(model)

    def _check_questions(self, student: HasContext) -> None:
        """Refuse questions that the student can't read, before any of them is answered."""
        examples = (*self.task.seeds, *self.task.dev, *self.task.test)
        messages = (self.task.prompt(example.question) for example in examples)
        check_messages(student, self.chat, messages, self.max_new_tokens)

    def _sketch_maker(
        self, load: Callable[[], InferenceModel], seed: int
    ) -> Callable[[], TensorSketch]:
        return cache(lambda: make_sketch(load(), seed))

    # -- requests and rows -------------------------------------------------------------

    def _requests(self, questions: Iterable[Example | Row]) -> list[AttemptRequest]:
        return [
            AttemptRequest(item.id, self.task.prompt(item.question))
            for item in questions
        ]

    def _gold_rows(self, examples: Sequence[Example]) -> list[tuple[str, str]]:
        """(message, solution) of the examples that have a gold solution."""
        rows = []
        for example in examples:
            target = self.task.target(example)
            if target is not None:
                rows.append((self.task.prompt(example.question), target))
        return rows

    def _grade_attempt(self, example: Example, attempt: Attempt) -> Grade:
        """The grade; without a gold answer, whether a final answer can be read."""
        if attempt.truncated:
            return Grade("truncated")
        if example.answer is None:
            return self.task.verify(example.question, attempt.text)
        return self.task.grade(example, attempt.text)


def select_arrays(batch: AttemptBatch, names: Sequence[str]) -> dict[str, FloatArray]:
    arrays = {"embedding": batch.embedding_N_D}
    if batch.gradient_N_M is not None:
        arrays["gradient"] = batch.gradient_N_M
    return {name: arrays[name] for name in names}
