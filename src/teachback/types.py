"""The values that pass between the steps of a round.

All frozen; each row carries the id of the row it came from.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

Scalar = str | int | float | bool | None
PositiveInt = Annotated[int, Field(ge=1)]
PositiveFloat = Annotated[float, Field(gt=0)]
NonNegativeFloat = Annotated[float, Field(ge=0)]
Fraction01 = Annotated[float, Field(ge=0, le=1)]
# How a setting holds a path: always; only if it looks like one (else it is a name); in front of
# the function's name, if that ends in .py.
PathForm = Literal["file", "folder or name", "function"]
FolderOrName = Annotated[str, "folder or name"]
FunctionName = Annotated[str, "function"]
Outcome = Literal["right", "wrong", "unparsed", "truncated", "timed_out", "unjudged"]


class Settings(BaseModel):
    """The base of every section of a config. Unknown keys, NaN and infinity are refused.

    A room's settings stand in that room, beside the code that they set.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


@dataclass(frozen=True)
class Example:
    """A question of the task: a seed, or an item of dev or test.

    `answer` is the final answer alone.
    """

    id: str
    question: str
    answer: str | None = None
    solution: str | None = None
    meta: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True)
class Grade:
    """What a checker says of one answer. `answer` is what it read as the final answer.

    `outcome` judges everything the task asks for (ProntoQA: the label *and* the proof);
    `answer_right` the final answer alone. `reason` says why, when the outcome is not "right".
    """

    outcome: Outcome
    answer: str | None = None
    answer_right: bool = False
    reason: str | None = None


class Grader(NamedTuple):
    """How final answers are read and compared.

    grade(example, text)    the final answer of a text against the example's
    parse(question, text)   "right" where there is a final answer that could be compared: all that
    can be said of a
                            teacher's row, which has no gold
    """

    grade: Callable[[Example, str], Grade]
    parse: Callable[[str, str], Grade]


# import_function(spec, key, parameters, example): a function of the user's, named in the config.
# spec: my_module:my_function, or path/to/file.py:my_function. key: the config key that names it.
# parameters: as in "(example, text)". example: a body to show in an error.
ImportFunction = Callable[[str, str, str, str], Callable[..., Any]]


class Written(NamedTuple):
    """An exercise that a program wrote: the question, the text a student should answer with, and,
    unless the task's `verify` proves it, the final answer that the program came to.
    """

    question: str
    text: str
    answer: str | None = None


@dataclass(frozen=True)
class Task:
    """Data and how an answer is checked.

    `dev` is all that a run reads of how good the student is; of `test` it sees the keys only.

    prompt(question)        what the student is asked, as the user's message
    target(example)         what it should answer: the worked solution in the form that is graded;
                            None without one
    grade(example, text)    judges a student's answer against the gold answer
    verify(question, text)  judges a teacher's row, where there is no gold: "right" means that it
    can be trained on
    exact                   `verify` proves the answer; otherwise it can only tell that a row
                            parses and is finished
    key(question)           equal for questions that are the same exercise
    write(seed, random)     a new exercise near the seed, solved (tasks that a program can set),
    or None
    templated               its questions are made from templates: words that two of them share
                            say nothing, `key` does
    by                      the meta fields that a report breaks its accuracy down by
    """

    name: str
    seeds: tuple[Example, ...]
    dev: tuple[Example, ...]
    test: tuple[Example, ...]
    prompt: Callable[[str], str]
    target: Callable[[Example], str | None]
    grade: Callable[[Example, str], Grade]
    verify: Callable[[str, str], Grade]
    exact: bool
    key: Callable[[str], str]
    write: Callable[..., Written] | None = None
    templated: bool = False
    by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Student:
    """A folder with weights, tokenizer and chat template; relative to the run's directory, or
    absolute.
    """

    folder: str


@dataclass(frozen=True)
class ArrayFile:
    """An array of float32, kept as .npy; the path is relative to the run's directory."""

    file: str


@dataclass(frozen=True)
class Reserve:
    """What the pool teacher hands out, and where it lies for the base student.

    rows: ids of the rows that may be handed out, by position. embedding: embedding_N_D of the
    seeds in pool order, then of the rows. notes: how many rows of the file were left out, and
    why.
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
    """The student's own answer to a question, and its signals: means over the answer's tokens, in
    float32.

    The end token is among them when it was produced (a truncated answer has none). nll: −log p of
    the tokens, nats. max_nll: the worst token's. entropy: of the distributions they were chosen
    from, nats. gap: p₁ − p₂ of the two likeliest tokens. egl: expected squared gradient length,
    (1 − ‖p‖²)‖h‖². None: the student's backend gives none.
    """

    id: str
    text: str
    n_tokens: int
    truncated: bool
    nll: float
    max_nll: float | None = None
    entropy: float | None = None
    gap: float | None = None
    egl: float | None = None


@dataclass(frozen=True)
class Attempts:
    """The student's answers to every seed, in pool order; and, where the criterion asks for them,
    an array of an entry a seed each: the mean of what the head read for an answer's tokens,
    and the sketch of its gradient.
    """

    rows: tuple[Attempt, ...]
    embedding: ArrayFile | None = None
    gradient: ArrayFile | None = None


@dataclass(frozen=True)
class Gathered:
    """What the criterion needs beyond the attempts, of the seeds with these ids, in their order,
    which is sorted.

    Each of the others has an entry a seed, or is empty where nothing asked for it;
    criteria/evidence.py says what they mean. dev_gradient: one array, of dev as a whole. notes:
    for the reader.
    """

    seeds: tuple[str, ...]
    right: tuple[bool, ...] = ()
    gold_nll: tuple[float, ...] = ()
    samples: tuple[tuple[Grade, ...], ...] = ()
    reward: tuple[float, ...] = ()
    marks: tuple[float | None, ...] = ()
    gaps: tuple[float | None, ...] = ()
    gold_gradient: ArrayFile | None = None
    dev_gradient: ArrayFile | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pick:
    """A selected seed. n: how often it was selected before; its n-th selection asks for its n-th
    row. by: the criterion that it is due to, where several take part.
    """

    seed: str
    n: int
    rank: int
    score: float | None
    by: str | None = None


@dataclass(frozen=True)
class Selection:
    """picks in order of rank; scores of the whole pool in pool order (empty for a chooser); notes
    for the reader.

    by_chance: share of the picks that were decided by breaking ties. length_rho: Spearman
    correlation of score and answer length over the pool, the known confounder of loss-like scores
    (None where it is undefined).
    """

    picks: tuple[Pick, ...]
    scores: tuple[tuple[str, float], ...] = ()
    by_chance: float = 0.0
    length_rho: float | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Draft:
    """What the teacher wrote for the n-th selection of a seed; or, with `reason`, why there is
    nothing to use.

    prompt: sha256 of the prompt files (or of the program) that asked for it. calls: sha256 of
    each answered request's body, by which the ledger knows it. votes: all answers to the
    question, text among them, if more than one was asked for (None: one that can't be used).
    second: the verifier's answer. answer: the final answer, where a program wrote the exercise.
    """

    seed: str
    n: int
    prompt: str
    calls: tuple[str, ...] = ()
    question: str | None = None
    text: str | None = None
    votes: tuple[str | None, ...] = ()
    second: str | None = None
    answer: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Verdict:
    """A draft and what checking it said: `reason` is None when it may be used.

    verified: the answer was proven, or most votes or the verifier agree with it; False: it could
    only be parsed.
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
    """A row of the training set. seed and n say which selection it came from (None and 0: it was
    given).
    """

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
class Likeness:
    """A fresh row that shares words with a question of dev or test.

    Not refused for it: for a person to look at.

    other: which question, as in "test gsm8k_test-00012". shared: the words in common, as they
    were compared.
    """

    row: str
    other: str
    kind: Literal["8-word", "number-masked"]
    shared: str
    text: str
    other_text: str


@dataclass(frozen=True)
class Curated:
    """The round's fresh rows, and every draft that did not become one, with its reason.

    diversity: of the fresh rows' questions, 0 (all alike) to 1; None for fewer than two. notes:
    for the reader.
    """

    rows: tuple[Row, ...]
    rejected: tuple[Rejected, ...]
    warnings: tuple[Likeness, ...] = ()
    diversity: float | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Carried:
    """One accepted row beside its seed, both scored by the same student: by the loss, and by the
    criterion's own score where it is made of an attempt's signals and isn't the loss.
    """

    row: str
    seed: str
    seed_loss: float
    row_loss: float
    seed_score: float | None = None
    row_score: float | None = None


@dataclass(frozen=True)
class Transfer:
    """Carry-over: do the rows ask as much of the student as the seeds they came from?

    Medians of the loss over the accepted rows and their seeds; row_rho is Spearman's over (seed,
    row) pairs. All None when the round accepted nothing; row_rho is None where it is undefined.
    The last three: the same of the criterion's own score, where it has one.
    """

    pairs: tuple[Carried, ...]
    seed_median: float | None
    row_median: float | None
    row_rho: float | None
    seed_score_median: float | None = None
    row_score_median: float | None = None
    row_score_rho: float | None = None


@dataclass(frozen=True)
class Item:
    """One question of a report. gold_nll: the student's mean nll of its gold solution, in nats a
    token.

    samples_right: how many of the report's sampled answers were right.
    """

    id: str
    outcome: Outcome
    answer_right: bool
    text: str
    reason: str | None
    gold_nll: float | None = None
    samples_right: int | None = None


@dataclass(frozen=True)
class Share:
    """How many of n are right, with the 95 % Wilson interval of their share."""

    n: int
    right: int
    low: float
    high: float


@dataclass(frozen=True)
class Report:
    """Accuracy over a split with its 95 % Wilson interval; answer_accuracy counts the final
    answer alone.

    by: accuracy by the values of the task's meta fields. gold_nll: mean over the items that have
    a gold solution, far less noisy than accuracy; None where there is none. pass_at: k → the
    chance that one of k sampled answers is right (the unbiased estimate of 2107.03374), from
    `samples` answers to each question.
    """

    split: str
    n: int
    right: int
    accuracy: float
    low: float
    high: float
    answer_accuracy: float
    outcomes: Mapping[str, int]
    items: tuple[Item, ...]
    by: Mapping[str, Mapping[str, Share]] = field(default_factory=dict)
    gold_nll: float | None = None
    samples: int = 0
    pass_at: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Round:
    """A finished round, as the rounds after it see it."""

    chosen: Selection
    fresh: Curated
    transfer: Transfer
    student: Student
    report: Report
