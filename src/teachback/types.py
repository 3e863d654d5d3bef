"""The values that pass between the steps of a round.

All are frozen. Each row carries the id of the row it came from.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

Scalar = str | int | float | bool | None
PositiveInt = Annotated[int, Field(ge=1)]
PositiveFloat = Annotated[float, Field(gt=0)]
NonNegativeFloat = Annotated[float, Field(ge=0)]
# How a setting holds a path: always; only if it looks like one (otherwise it is a name); before
# the function's name, if that part ends in .py.
PathForm = Literal["file", "folder or name", "function"]
FolderOrName = Annotated[str, "folder or name"]
FunctionName = Annotated[str, "function"]
Outcome = Literal["right", "wrong", "unparsed", "truncated", "timed_out", "unjudged"]


class Settings(BaseModel):
    """The base of every section of a config. It refuses unknown keys, NaN and infinity.

    Each room keeps its settings beside the code that they set.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


# -- the task ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Example:
    """A question of the task: a seed, or an item of dev or test."""

    id: str
    question: str
    answer: str | None = None  # the final answer alone
    solution: str | None = None
    meta: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True)
class Grade:
    """What a grader says of one answer."""

    # Of everything the task asks for. For ProntoQA that is the label *and* the proof.
    outcome: Outcome
    answer: str | None = None  # what the grader read as the final answer
    answer_right: bool = False  # of the final answer alone
    reason: str | None = None  # why the outcome is not "right"


class Grader(NamedTuple):
    """How final answers are read and compared."""

    # grade(example, text): the final answer of a text against the example's
    grade: Callable[[Example, str], Grade]
    # parse(question, text): "right" if the text has a final answer that could be compared. No more
    # can be said of a teacher's row, which has no gold answer.
    parse: Callable[[str, str], Grade]


# import_function(spec, key, parameters, example): a function of the user's, named in the config.
# spec: my_module:my_function, or path/to/file.py:my_function. key: the config key that names it.
# parameters: as in "(example, text)". example: a body to show in an error.
ImportFunction = Callable[[str, str, str, str], Callable[..., Any]]


class Exercise(NamedTuple):
    """An exercise that a program wrote."""

    question: str
    text: str  # what a student should answer
    # The program's final answer. None: `Task.verify` proves the answer.
    answer: str | None = None


@dataclass(frozen=True)
class Task:
    """Data, and how an answer is checked."""

    name: str
    seeds: tuple[Example, ...]
    # All that a run measures the student on.
    dev: tuple[Example, ...]
    # A run sees only the keys of these questions.
    test: tuple[Example, ...]
    # prompt(question): what the student is asked, as the user's message
    prompt: Callable[[str], str]
    # target(example): the worked solution in the form that is graded; None without one
    target: Callable[[Example], str | None]
    # grade(example, text): a student's answer against the gold answer
    grade: Callable[[Example, str], Grade]
    # verify(question, text): a teacher's row, without a gold answer. "right": it can be trained on.
    verify: Callable[[str, str], Grade]
    # Whether `verify` proves the answer. If not, it only tells that a row parses and is finished.
    exact: bool
    # key(question): equal for questions that are the same exercise
    key: Callable[[str], str]
    # write(seed, random): a new, solved exercise near the seed; None: no program sets exercises
    write: Callable[..., Exercise] | None = None
    # Whether questions come from templates. If so, only `key` tells that two are alike, and shared
    # words do not.
    templated: bool = False
    # The meta fields by which a report breaks down its accuracy.
    by: tuple[str, ...] = ()
    # What the user should know of the data, such as which rows were left out.
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Student:
    """A folder with weights, tokenizer and chat template."""

    folder: str  # absolute, or relative to the run's directory


@dataclass(frozen=True)
class ArrayFile:
    """An array of float32 in a .npy file."""

    file: str  # relative to the run's directory


# -- up to the selection -----------------------------------------------------------------


@dataclass(frozen=True)
class Reserve:
    """What the pool teacher can hand out, with the base student's embeddings of it."""

    rows: tuple[str, ...]  # ids of the rows, by position
    embedding: ArrayFile  # embedding_N_D: the seeds in pool order, then the rows
    notes: tuple[str, ...] = ()  # how many rows of the file were left out, and why


@dataclass(frozen=True)
class Allowance:
    """How many pairs the round may buy."""

    pairs: int


@dataclass(frozen=True)
class Attempt:
    """The student's own answer to a question, and its signals.

    A signal is a mean over the answer's tokens in float32, with the end token if there is one (a
    truncated answer has none). None: the student's backend does not give that signal.
    """

    id: str
    text: str
    n_tokens: int
    truncated: bool
    nll: float  # −log p of the tokens, nats
    max_nll: float | None = None  # the worst token's, not a mean
    entropy: float | None = None  # of the distributions the tokens came from, nats
    gap: float | None = None  # p₁ − p₂ of the two likeliest tokens
    egl: float | None = None  # expected squared gradient length, (1 − ‖p‖²)‖h‖²


@dataclass(frozen=True)
class Attempts:
    """The student's answers to every seed, in pool order.

    The arrays have one entry for each seed. None: the criterion needs no such array.
    """

    rows: tuple[Attempt, ...]
    # The mean of the head's inputs over an answer's tokens.
    embedding: ArrayFile | None = None
    # The sketch of the head's gradient.
    gradient: ArrayFile | None = None


@dataclass(frozen=True)
class GatheredEvidence:
    """What the criterion needs beyond the attempts. criteria/evidence.py explains the fields.

    A field with one entry for each seed is empty if the criterion does not need it.
    """

    seeds: tuple[str, ...]  # ids, sorted: the order of the other fields
    right: tuple[bool, ...] = ()
    gold_nll: tuple[float, ...] = ()
    samples: tuple[tuple[Grade, ...], ...] = ()
    reward: tuple[float, ...] = ()
    marks: tuple[float | None, ...] = ()
    gaps: tuple[float | None, ...] = ()
    gold_gradient: ArrayFile | None = None
    dev_gradient: ArrayFile | None = None  # one entry, for dev as a whole
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pick:
    """A selected seed."""

    seed: str
    n: int  # how often it was selected before; its n-th selection asks for its n-th row
    rank: int
    score: float | None
    by: str | None = None  # the criterion that chose it, where several take part


@dataclass(frozen=True)
class Selection:
    """What the criterion chose."""

    picks: tuple[Pick, ...]  # by rank
    scores: tuple[tuple[str, float], ...] = ()  # in pool order; empty for a chooser
    by_chance: float = 0.0  # share of the picks that breaking ties decided
    # Spearman correlation of score and answer length over the pool: the known confounder of scores
    # that are like a loss. None: undefined.
    length_rho: float | None = None
    notes: tuple[str, ...] = ()


# -- from a draft to a row ---------------------------------------------------------------


@dataclass(frozen=True)
class Draft:
    """What the teacher wrote for the n-th selection of a seed."""

    seed: str
    n: int
    prompt: str  # sha256 of the prompt files, or of the program
    # sha256 of the body of each answered request: the ledger's key.
    calls: tuple[str, ...] = ()
    question: str | None = None
    text: str | None = None
    # All answers to the question, `text` among them, if more than one was asked for. None: one that
    # can't be used.
    votes: tuple[str | None, ...] = ()
    second: str | None = None  # the verifier's answer
    answer: str | None = None  # the final answer, if a program wrote the exercise
    reason: str | None = None  # why there is nothing to use


@dataclass(frozen=True)
class Verdict:
    """A draft, and what checking it said."""

    seed: str
    n: int
    question: str = ""
    text: str = ""
    answer: str | None = None
    # Whether the answer is proven, or most votes or the verifier agree with it. If not, it could
    # only be parsed.
    verified: bool = False
    reason: str | None = None  # why the draft can't be used


@dataclass(frozen=True)
class Row:
    """A row of the training set."""

    id: str
    seed: str | None  # None: the user's own row
    n: int  # of the seed's selections; 0 for the user's own row
    question: str
    text: str
    answer: str | None
    verified: bool


@dataclass(frozen=True)
class Rejection:
    """A draft that did not become a row."""

    seed: str
    n: int
    reason: str


@dataclass(frozen=True)
class WordOverlap:
    """A fresh row that shares words with a question of dev or test.

    The row is kept. A person should look at it.
    """

    row: str
    other: str  # which question, as in "test gsm8k_test-00012"
    kind: Literal["8-word", "number-masked"]
    shared: str  # the common words, as they were compared
    text: str
    other_text: str


@dataclass(frozen=True)
class Curation:
    """The round's fresh rows, and every draft that did not become one."""

    rows: tuple[Row, ...]
    rejected: tuple[Rejection, ...]
    warnings: tuple[WordOverlap, ...] = ()
    # Of the fresh questions, 0 (all alike) to 1. None for fewer than two.
    diversity: float | None = None
    notes: tuple[str, ...] = ()


# -- measures ----------------------------------------------------------------------------


@dataclass(frozen=True)
class CarryOverPair:
    """One accepted row beside its seed, both scored by the same student."""

    row: str
    seed: str
    seed_loss: float
    row_loss: float
    # By the criterion's own score, if it is made of an attempt's signals and is not the loss.
    seed_score: float | None = None
    row_score: float | None = None


@dataclass(frozen=True)
class CarryOver:
    """Carry-over: do the rows ask as much of the student as the seeds they came from?

    Medians are over the accepted rows and their seeds. They are None if no row was accepted. A rho
    is Spearman's over the pairs, and None where it is undefined.
    """

    pairs: tuple[CarryOverPair, ...]
    # By the loss.
    seed_median: float | None
    row_median: float | None
    row_rho: float | None
    # By the criterion's own score, where the pairs have one.
    seed_score_median: float | None = None
    row_score_median: float | None = None
    row_score_rho: float | None = None


@dataclass(frozen=True)
class ReportItem:
    """One question of a report."""

    id: str
    outcome: Outcome
    answer_right: bool
    text: str
    reason: str | None
    gold_nll: float | None = None  # mean over the gold solution's tokens, nats
    samples_right: int | None = None  # of the report's sampled answers
    # In the untuned student's report only: later reports have the same questions.
    question: str | None = None
    gold: str | None = None  # the gold answer, or the solution where there is no answer


@dataclass(frozen=True)
class GroupAccuracy:
    """How many of n answers are right, with the 95 % Wilson interval of their share."""

    n: int
    right: int
    low: float
    high: float


@dataclass(frozen=True)
class Report:
    """Accuracy over a split, with its 95 % Wilson interval."""

    split: str
    n: int
    right: int
    accuracy: float
    low: float
    high: float
    answer_accuracy: float  # of the final answers alone
    outcomes: Mapping[str, int]
    items: tuple[ReportItem, ...]
    # Meta field → value → accuracy.
    by: Mapping[str, Mapping[str, GroupAccuracy]] = field(default_factory=dict)
    # Mean over the items with a gold solution; None without any. Far less noisy than accuracy.
    gold_nll: float | None = None
    samples: int = 0  # sampled answers to each question
    # k → the chance that one of k sampled answers is right: the unbiased estimate of arXiv
    # 2107.03374.
    pass_at: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Round:
    """A finished round, as later rounds see it."""

    chosen: Selection
    fresh: Curation
    transfer: CarryOver
    student: Student
    report: Report
