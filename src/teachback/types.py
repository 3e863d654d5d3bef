"""The values that pass between the steps of a round. All frozen; each row carries the id of the row it came from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Scalar = str | int | float | bool | None
Outcome = Literal["right", "wrong", "unparsed", "truncated"]


@dataclass(frozen=True)
class Example:
    """A question of the task: a seed, or an item of dev or test. `answer` is the final answer alone."""

    id: str
    question: str
    answer: str | None = None
    solution: str | None = None
    meta: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True)
class Grade:
    """What a checker says of one answer. `answer` is what it read as the final answer.

    `outcome` judges everything the task asks for (ProntoQA: the label *and* the proof); `answer_right` the final
    answer alone. `reason` says why, when the outcome is not "right".
    """

    outcome: Outcome
    answer: str | None = None
    answer_right: bool = False
    reason: str | None = None


class Written(NamedTuple):
    """An exercise that a program wrote: the question, and the text a student should answer with."""

    question: str
    text: str


@dataclass(frozen=True)
class Task:
    """Data and how an answer is checked. `dev` is all that a run reads of how good the student is; of `test` it
    sees the keys only.

    prompt(question)        what the student is asked, as the user's message
    grade(example, text)    judges a student's answer against the gold answer
    verify(question, text)  judges a teacher's row, where there is no gold: "right" means that it can be trained on
    exact                   `verify` proves the answer; otherwise it can only tell that a row parses and is finished
    key(question)           equal for questions that are the same exercise
    write(seed, random)     a new exercise near the seed, solved (tasks that a program can set), or None
    """

    name: str
    seeds: tuple[Example, ...]
    dev: tuple[Example, ...]
    test: tuple[Example, ...]
    prompt: Callable[[str], str]
    grade: Callable[[Example, str], Grade]
    verify: Callable[[str, str], Grade]
    exact: bool
    key: Callable[[str], str]
    write: Callable[..., Written] | None = None


@dataclass(frozen=True)
class Student:
    """A folder with weights, tokenizer and chat template; relative to the run's directory, or absolute."""

    folder: str


@dataclass(frozen=True)
class ArrayFile:
    """An array of float32, kept as .npy; the path is relative to the run's directory."""

    file: str


@dataclass(frozen=True)
class Reserve:
    """What the pool teacher hands out, and where it lies for the base student.

    rows: ids of the rows that may be handed out, by position. embedding: embedding_N_D of the seeds in pool order,
    then of the rows. notes: how many rows of the file were left out, and why.
    """

    rows: tuple[str, ...]
    embedding: ArrayFile
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Allowance:
    """How many pairs the round may buy."""

    pairs: int


@dataclass(frozen=True)
class Attempt:
    """The student's own greedy answer to a question.

    nll: mean negative log-probability of its tokens in nats, in float32; the end token is among them when it was
    produced (a truncated answer has none).
    """

    id: str
    text: str
    n_tokens: int
    truncated: bool
    nll: float


@dataclass(frozen=True)
class Pick:
    """A selected seed. n: how often it was selected before; its n-th selection asks for its n-th row."""

    seed: str
    n: int
    rank: int
    score: float | None


@dataclass(frozen=True)
class Selection:
    """picks in order of rank; scores of the whole pool in pool order (empty for a chooser); notes for the reader.

    by_chance: share of the picks that were decided by breaking ties. length_rho: Spearman correlation of score and
    answer length over the pool, the known confounder of loss-like scores (None where it is undefined).
    """

    picks: tuple[Pick, ...]
    scores: tuple[tuple[str, float], ...] = ()
    by_chance: float = 0.0
    length_rho: float | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Draft:
    """What the teacher wrote for the n-th selection of a seed; or, with `reason`, why there is nothing to use.

    prompt: sha256 of the prompt files (or of the program) that asked for it. calls: sha256 of each answered request's
    body, by which the ledger knows it. votes: all answers to the question, text among them, if more than one was asked
    for (None: one that can't be used). second: the verifier's answer.
    """

    seed: str
    n: int
    prompt: str
    calls: tuple[str, ...] = ()
    question: str | None = None
    text: str | None = None
    votes: tuple[str | None, ...] = ()
    second: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Verdict:
    """A draft and what checking it said: `reason` is None when it may be used.

    verified: the answer was proven, or most votes or the verifier agree with it; False: it could only be parsed.
    """

    seed: str
    n: int
    question: str = ""
    text: str = ""
    answer: str | None = None
    verified: bool = False
    reason: str | None = None


@dataclass(frozen=True)
class Row:
    """A row of the training set. seed and n say which selection it came from (None and 0: it was given)."""

    id: str
    seed: str | None
    n: int
    question: str
    text: str
    answer: str | None
    verified: bool


@dataclass(frozen=True)
class Rejected:
    seed: str
    n: int
    reason: str


@dataclass(frozen=True)
class Curated:
    """The round's fresh rows, and every draft that did not become one, with its reason."""

    rows: tuple[Row, ...]
    rejected: tuple[Rejected, ...]


@dataclass(frozen=True)
class Carried:
    """One accepted row beside its seed, both scored by the same student."""

    row: str
    seed: str
    seed_loss: float
    row_loss: float


@dataclass(frozen=True)
class Transfer:
    """Carry-over: do the rows ask as much of the student as the seeds they came from?

    Medians of the loss over the accepted rows and their seeds; row_rho is Spearman's over (seed, row) pairs.
    All None when the round accepted nothing; row_rho is None where it is undefined.
    """

    pairs: tuple[Carried, ...]
    seed_median: float | None
    row_median: float | None
    row_rho: float | None


@dataclass(frozen=True)
class Item:
    id: str
    outcome: Outcome
    answer_right: bool
    text: str
    reason: str | None


@dataclass(frozen=True)
class Report:
    """Accuracy over a split with its 95 % Wilson interval; answer_accuracy counts the final answer alone."""

    split: str
    n: int
    right: int
    accuracy: float
    low: float
    high: float
    answer_accuracy: float
    outcomes: Mapping[str, int]
    items: tuple[Item, ...]


@dataclass(frozen=True)
class Round:
    """A finished round, as the rounds after it see it."""

    chosen: Selection
    fresh: Curated
    transfer: Transfer
    student: Student
    report: Report


# What each step of a run keeps, by the step's name: the run's directory holds these as JSON, one file a step.
KEPT: Mapping[str, object] = {
    "given": tuple[Row, ...],
    "baseline": Report,
    "start": Student,
    "reserve": Reserve,
    "open": Allowance,
    "attempt": tuple[Attempt, ...],
    "select": Selection,
    "generate": tuple[Draft, ...],
    "verify": tuple[Verdict, ...],
    "curate": Curated,
    "transfer": Transfer,
    "finetune": Student,
    "evaluate": Report,
    "test": Report,
    "test-baseline": Report,
}
