"""Criteria that ask another model: a judge, a referee and the teacher, a reward model."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple

from ..config import choosing
from ..config import config as cfg
from ..ledger.costs import FREE_PRICE, Cost, Usage
from ..ledger.ledger import Ledger
from ..run.directory import Run
from ..types import Attempt, Example, Task
from .teacher import make_asking, make_endpoint

if TYPE_CHECKING:
    from ..teachers.marking import Attempted, Marking
    from ..teachers.refereeing import Answering, Refereeing

Rows = Sequence[tuple[Example, Attempt]]


class Said(NamedTuple):
    """A value a row, None where none could be had; notes for the reader."""

    values: tuple[Any, ...]
    notes: tuple[str, ...] = ()


Ask = Callable[[Rows, int], Said]  # of the candidates and their attempts, in a round


def make_asks(
    config: cfg.Config, run: Run, task: Task, ledger: Ledger | None
) -> Mapping[str, Ask]:
    """By need. Without a ledger nobody is asked who is paid."""
    match config.criterion:
        case choosing.Reward():
            return {"reward": rewarding(config.criterion, run, task)}
        case choosing.Marks() if ledger:
            return {
                "marks": marked(
                    make_marking(config, config.criterion), run, task, ledger
                )
            }
        case choosing.Lion() if ledger:
            return {
                "gaps": compared(
                    *make_refereeing(config, config.criterion), run, task, ledger
                )
            }
    return {}


def worst(config: cfg.Config, task: Task, candidates: Sequence[Example]) -> Cost:
    """The most that asking others about these seeds can cost in a round; about as many of them as the criterion sees,
    whichever these are."""
    questions = [task.prompt(e.question) for e in candidates]
    few = choosing.subset(config.candidates, config.per_round, dear=True)
    match config.criterion:
        case choosing.Marks():
            return make_marking(config, config.criterion).worst(questions, few)
        case choosing.Lion():
            answering, refereeing = make_refereeing(config, config.criterion)
            return refereeing.worst(questions, few) + answering.worst(questions, few)
    return FREE_PRICE.of(Usage(0, 0))


def asking_sources(config: cfg.Config) -> dict[str, bytes]:
    """What else decides what they say: part of what the run is (R3)."""
    match config.criterion:
        case choosing.Reward(model=model, revision=revision):
            from ..student.reward import find

            return {"criterion": find(model, revision)[1].encode()}
        case choosing.Marks():
            return {
                "criterion": make_marking(config, config.criterion).template.encode()
            }
        case choosing.Lion():
            answering, refereeing = make_refereeing(config, config.criterion)
            return {"criterion": (refereeing.template + answering.template).encode()}
    return {}


def rewarding(given: choosing.Reward, run: Run, task: Task) -> Ask:
    from ..student.reward import find, load_reward, reward

    loaded = cache(lambda: load_reward(find(given.model, given.revision)[0]))

    def ask(rows: Rows, round: int) -> Said:
        pairs = [(task.prompt(seed.question), attempt.text) for seed, attempt in rows]
        return Said(
            run.map(
                lambda part: [float(x) for x in reward(loaded(), part)],
                pairs,
                of=float,
                name="reward",
            )
        )

    return ask


def make_marking(config: cfg.Config, given: choosing.Marks) -> "Marking":
    from ..teachers.marking import FIELDS, Marking
    from ..teachers.prompts import SHIPPED, read_template

    template = read_template(given.prompt or SHIPPED / "mark.txt", FIELDS)
    return Marking(make_endpoint(given, config.prices), template, given.max_tokens)


def marked(marking: "Marking", run: Run, task: Task, ledger: Ledger) -> Ask:
    from ..teachers.marking import mark_all

    def ask(rows: Rows, round: int) -> Said:
        tell = partial(told, run, len(rows))
        found = mark_all(
            attempted(task, rows), marking, round=round, ledger=ledger, tell=tell
        )
        marks = [found[seed.id] for seed, _ in rows]
        return Said(
            tuple(None if one.mark is None else float(one.mark) for one in marks),
            lost("got no mark", [one.reason for one in marks if one.mark is None]),
        )

    return ask


def make_refereeing(
    config: cfg.Config, given: choosing.Lion
) -> "tuple[Answering, Refereeing]":
    from ..teachers.prompts import SHIPPED, read_template
    from ..teachers.refereeing import FIELDS, Answering, Refereeing

    assert isinstance(config.teacher, cfg.OpenAITeacher)  # config.py sees to it
    asking = make_asking(config, config.teacher)
    assert asking.prompts.answer is not None  # make_prompts sees to it
    template = read_template(given.prompt or SHIPPED / "referee.txt", FIELDS)
    answering = Answering(
        asking.endpoint, asking.prompts.answer, asking.max_tokens_answer
    )
    return answering, Refereeing(
        make_endpoint(given, config.prices), template, given.max_tokens
    )


def compared(
    answering: "Answering",
    refereeing: "Refereeing",
    run: Run,
    task: Task,
    ledger: Ledger,
) -> Ask:
    from ..teachers.refereeing import answers_of_teacher, referee_all

    def ask(rows: Rows, round: int) -> Said:
        questions = {seed.id: task.prompt(seed.question) for seed, _ in rows}
        teacher = answers_of_teacher(questions, answering, round=round, ledger=ledger)
        tell = partial(told, run, 2 * len(rows))
        found = referee_all(
            attempted(task, rows),
            teacher,
            refereeing,
            round=round,
            ledger=ledger,
            tell=tell,
        )
        gaps = [found[seed.id] for seed, _ in rows]
        return Said(
            tuple(one.gap for one in gaps),
            lost(
                "could not be compared", [one.reason for one in gaps if one.gap is None]
            ),
        )

    return ask


def told(run: Run, total: int, done: int) -> None:
    run.report_progress(done, total)


def attempted(task: Task, rows: Rows) -> "list[Attempted]":
    from ..teachers.marking import Attempted

    return [
        Attempted(seed.id, task.prompt(seed.question), attempt.text)
        for seed, attempt in rows
    ]


def lost(what: str, reasons: Sequence[str | None]) -> tuple[str, ...]:
    if not reasons:
        return ()
    return (
        f"{len(reasons)} attempts {what} and could not be selected; the first: {reasons[0]}",
    )
