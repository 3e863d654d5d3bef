"""The only place where a name in the config becomes an object. Nothing below it sees a config."""

import hashlib
import json
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, Self

from ..config import config as cfg
from ..criteria.selector import Selector
from ..curate.training_rows import curate_rows, forbidden_keys, make_row_checks
from ..curate.verify import verify_drafts
from ..errors import ConfigError, DataError
from ..ledger.costs import Budget, Cost
from ..ledger.ledger import Ledger
from ..loop import Parts
from ..metrics.accuracy import make_report
from ..metrics.carry_over import measure_carry_over
from ..rng import draw
from ..run.directory import Event, Run, choose_shard_size
from ..run.files import to_json_bytes
from ..student.attempt import Asked
from ..student.folder import resolve
from ..student.model_size import find_model_size
from ..student.precision import choose
from ..student.training.finetune import Means, Recipe, finetune
from ..tasks.existing_rows import read_existing_rows
from ..tasks.jsonl import read_reserve
from ..teachers import Teacher, pool
from ..types import (
    Attempt,
    Curated,
    Draft,
    Example,
    Report,
    Reserve,
    Round,
    Row,
    Selection,
    Student,
    Task,
    Transfer,
)
from .criterion import (
    check_criterion,
    criterion_sources,
    make_selector,
)
from .grading import grading_sources, judged
from .judges import worst_judging_cost
from .student import Answerer, Respondent, make_answerer
from .task import make_task
from .teacher import (
    affordable,
    check_endpoints,
    make_budget,
    make_teacher,
    make_total,
    meter,
    prompt_hash,
)

Train = Callable[
    [Path, list[tuple[str, str]], int], Path
]  # train(start, (message, text) rows, seed) → a folder

VERSIONED = ("teachback", "torch", "transformers", "peft", "numpy", "scipy", "pydantic")


@dataclass(frozen=True)
class Prepared:
    """A run's data and students, checked and identified: all that measuring needs."""

    task: Task
    base: Student
    answer: Answerer
    precision: Literal["float32", "bf16"]
    prompt: str  # sha256 of what the teacher is asked with

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.answer.stop()


@dataclass(frozen=True)
class Wired:
    """A run, ready to start: what loop.teach needs, its ledger, and its teacher."""

    task: Task
    parts: Parts
    base: Student
    ledger: Ledger
    teacher: Teacher
    answer: Answerer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.ledger.close()
        self.answer.stop()


def prepare(config: cfg.Config, run: Run) -> Prepared:
    """Checks the config against the data, and the inputs against the run's first start."""
    task = make_task(config.task, config.repeat)
    check(config, task)
    if config.machine.threads is not None:
        import torch

        torch.set_num_threads(config.machine.threads)
    folder, model = resolve(config.student.model, config.student.revision)
    kept, prompt = kept_precision(run.folder), prompt_hash(config, task)
    precision = kept or choose(config.student.precision)
    run.rows_per_shard = choose_shard_size(find_model_size(str(folder)).parameters)
    run.identify(
        cfg.identity(config),
        inputs(task, config, model, prompt, precision),
        cfg.settings(config),
    )
    if kept is None:
        run.listen(
            Event(
                "note",
                0,
                "precision",
                value=f"precision: {precision}, from now on part of this run",
            )
        )
    return Prepared(
        task,
        Student(str(folder)),
        make_answerer(config, run, task, folder, precision),
        precision,
        prompt,
    )


@dataclass(frozen=True)
class Arm:
    """What a comparison adds to a run. ledger: of all its arms. draws: arms of the same number are served one another's
    answers. together: they may be at work at the same time."""

    ledger: Path
    name: str
    draws: int
    together: bool


def wire(config: cfg.Config, run: Run, arm: Arm | None = None) -> Wired:
    """Everything a run is made of. An arm of a comparison is evaluated on test too, in each round."""
    check_endpoints(config)
    if config.budget.total and arm is None:
        fix = "set the same limit in budget itself"
        raise ConfigError(
            "budget.total limits a comparison, and this is one run",
            got=config.budget.total,
            fix=fix,
        )
    prepared = prepare(config, run)
    task, answer, folder = prepared.task, prepared.answer, run.path(prepared.base)
    budget, count = make_budget(config.budget), tokenizer_count(folder)
    reserve = make_reserve(config, prepared, count)
    ledger = open_ledger(config, run, budget, arm)
    tell = meter(config, ledger, run.report_progress)
    teacher = make_teacher(config, task, ledger, count, prepared.prompt, reserve, tell)
    recipe = Recipe(
        **config.finetune.model_dump(exclude={"restart", "replay"}),
        precision=prepared.precision,
    )

    means, say = make_means(config), note(run, "finetune")

    def train(start: Path, texts: list[tuple[str, str]], seed: int) -> Path:
        answer.stop()
        how: dict[str, Any] = {
            "chat": answer.chat,
            "recipe": recipe,
            "seed": seed,
            "means": means,
        }
        return finetune(
            start,
            texts,
            run.workspace,
            **how,
            child=config.machine.child,
            tell=run.report_progress,
            say=say,
        )

    selector = make_selector(config, run, task, answer, ledger)
    parts = make_parts(
        config,
        task,
        run,
        ledger,
        answer,
        selector,
        teacher,
        train,
        test=bool(arm and task.test),
    )
    return Wired(task, parts, prepared.base, ledger, teacher, answer)


def open_ledger(
    config: cfg.Config, run: Run, budget: Budget, arm: Arm | None
) -> Ledger:
    if arm is None:
        return Ledger(run.folder / "ledger.sqlite", repeat=config.repeat, budget=budget)
    return Ledger(
        arm.ledger,
        arm=arm.name,
        repeat=config.repeat,
        budget=budget,
        draws=arm.draws,
        shared=arm.together,
        total=make_total(config.budget.total),
    )


def make_means(config: cfg.Config) -> Means:
    """An adapter is kept where a server takes it: one that was trained on the base student."""
    machine, finetune = config.machine, config.finetune
    on_base = finetune.method in ("lora", "qlora") and finetune.restart == "base"
    return Means(
        micro_tokens=machine.micro_tokens,
        checkpointing=machine.gradient_checkpointing,
        save_adapter=on_base and config.student.served,
        report_to=tuple(machine.report_to),
        checkpoint_every_s=machine.checkpoint_every_s,
    )


def note(run: Run, step: str) -> Callable[[str], None]:
    """Tells the run's listener something once, however often it is said."""
    said: set[str] = set()

    def say(what: str) -> None:
        if what not in said:
            said.add(what)
            run.listen(Event("note", 0, step, value=f"{step}: {what}"))

    return say


def make_reserve(
    config: cfg.Config, prepared: Prepared, count: Callable[[str], int]
) -> pool.Pool | None:
    """The rows that the pool teacher hands out, and where the untuned student sees them: a step of its own."""
    if not isinstance(config.teacher, cfg.PoolTeacher):
        return None
    task, run, n = prepared.task, prepared.answer.run, config.teacher.n_rows
    rows = read_reserve(config.teacher.rows, config.task, task)

    def reserve() -> Reserve:
        kept, notes = pool.disjoint(rows, forbidden_keys(task), task.key)
        kept = (
            kept
            if n is None
            else tuple(
                sorted(kept, key=lambda row: sha256(task.key(row.question).encode()))[
                    :n
                ]
            )
        )
        questions = [(x.id, x.question) for x in task.seeds] + [
            (x.id, x.question) for x in kept
        ]
        asked = [Asked(id, task.prompt(question)) for id, question in questions]
        return Reserve(
            tuple(row.id for row in kept),
            prepared.answer.embed(prepared.base, asked),
            notes,
        )

    kept, by_id = run.step(0, "reserve", reserve), {row.id: row for row in rows}
    return pool.make(
        [by_id[id] for id in kept.rows],
        task.seeds,
        run.load_array(kept.embedding),
        count,
    )


def make_parts(
    config: cfg.Config,
    task: Task,
    run: Run,
    ledger: Ledger,
    answer: Respondent,
    selector: Selector,
    teacher: Teacher,
    train: Train,
    *,
    test: bool = False,
) -> Parts:
    """The steps of a round as functions."""
    forbidden, checks = forbidden_keys(task), make_row_checks(task)
    drawn = partial(draw, config.seed, config.repeat)

    def generate(
        round: int, chosen: Selection, attempts: Sequence[Attempt]
    ) -> tuple[Draft, ...]:
        return teacher.generate(round, chosen.picks, attempts)

    def carry_over(
        student: Student, attempts: Sequence[Attempt], fresh: Curated
    ) -> Transfer:
        rows = answer(student, ((row.id, row.question) for row in fresh.rows))
        return measure_carry_over(fresh, attempts, rows, selector.attempt_score)

    def worst_asking_cost(past: Sequence[Round]) -> Cost:
        seeds = [selector.seed_by_id[id] for id in sorted(selector.selectable(past))]
        return worst_judging_cost(config, task, seeds)

    def next_student(
        base: Student, student: Student, rows: Sequence[Row], fresh: Sequence[Row]
    ) -> Student:
        start, data = (
            (base, rows)
            if config.finetune.restart == "base"
            else (student, replayed(rows, fresh, config, drawn))
        )
        if not data or (config.finetune.restart == "continue" and not fresh):
            return start
        texts = [(task.prompt(row.question), row.text) for row in data]
        return run.student_in(
            train(
                run.path(start), texts, drawn("finetune", "", len(rows)).getrandbits(31)
            )
        )

    def evaluate(split: str, examples: Sequence[Example], student: Student) -> Report:
        found = answer.measure(student, examples)
        grading = judged(
            config,
            task,
            ledger,
            run.round,
            list(zip(examples, found.attempts, strict=True)),
        )
        return make_report(grading, split, examples, *found)

    return Parts(
        given=partial(given, config, task),
        affordable=partial(affordable, config, task, ledger, teacher, worst_asking_cost),
        attempt=selector.attempt,
        gather=selector.gather,
        select=lambda attempts, gathered, baseline, past, m: selector.select(
            attempts, gathered, baseline.accuracy, past, m
        ),
        generate=generate,
        verify=lambda drafts: verify_drafts(drafts, task),
        curate=lambda verdicts, rows: curate_rows(
            verdicts,
            rows,
            key=task.key,
            forbidden=forbidden,
            seeds=[e.question for e in task.seeds],
            checks=checks,
        ),
        transfer=carry_over,
        finetune=next_student,
        evaluate=partial(evaluate, "dev", task.dev),
        test=partial(evaluate, "test", task.test) if test else None,
    )


def given(config: cfg.Config, task: Task) -> tuple[Row, ...]:
    rows = read_existing_rows(config.rows, task.target) if config.rows else ()
    if not config.include_seeds:
        return rows
    worked = ((e, text) for e in task.seeds if (text := task.target(e)) is not None)
    seeds = (
        Row(f"seed-{e.id}", e.id, 0, e.question, text, e.answer, verified=True)
        for e, text in worked
    )
    return (*rows, *seeds)


def replayed(
    rows: Sequence[Row], fresh: Sequence[Row], config: cfg.Config, drawn: Any
) -> list[Row]:
    """restart: continue trains on the fresh rows and a share of the earlier ones, drawn anew each round."""
    new = {row.id for row in fresh}
    earlier = [row for row in rows if row.id not in new]
    n = round(config.finetune.replay * len(earlier))
    chosen = sorted(
        (row.id for row in earlier),
        key=lambda id: (drawn("replay", id, len(rows)).random(), id),
    )[:n]
    return [row for row in rows if row.id in new.union(chosen)]


def tokenizer_count(folder: Path) -> Callable[[str], int]:
    """count(text) → tokens of the student's tokenizer, loaded when first asked."""

    @cache
    def tokenizer() -> Any:
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(folder)

    @cache
    def count(text: str) -> int:
        return len(tokenizer()(text, add_special_tokens=False).input_ids)

    return count


def check(config: cfg.Config, task: Task) -> None:
    """What can only be seen with the data at hand."""
    if not task.seeds:
        raise DataError(
            "the pool is empty: there are no seeds",
            fix="give at least per_round seed questions",
        )
    if config.per_round > len(task.seeds):
        raise ConfigError(
            "per_round is larger than the pool",
            got=config.per_round,
            allowed=f"1 to {len(task.seeds)}, the number of seeds",
            fix="lower per_round or give more seeds",
        )
    check_criterion(config, task)


def inputs(
    task: Task, config: cfg.Config, model: str, prompt: str, precision: str
) -> dict[str, object]:
    """R3: hashes of all that goes in. The versions are told when they change; the rest may not."""
    splits: dict[str, tuple[Example, ...]] = {
        "seeds": task.seeds,
        "dev": task.dev,
        "test": task.test,
    }
    return {
        **{
            name: f"{len(rows)} rows, sha256 {sha256(to_json_bytes(rows))}"
            for name, rows in splits.items()
        },
        "rows": f"sha256 {sha256(config.rows.read_bytes())}"
        if config.rows and config.rows.exists()
        else None,
        "prompts": f"sha256 {prompt}",
        **{
            name: f"sha256 {sha256(source)}"
            for name, source in {
                **grading_sources(config),
                **criterion_sources(config),
            }.items()
        },
        "student": model,
        "precision": precision,
        "versions": {
            "python": platform.python_version(),
            **{name: installed(name) for name in VERSIONED},
        },
    }


def kept_precision(folder: Path) -> Any:
    """The precision chosen at a run's first start: a second measurement could come out otherwise."""
    path = folder / "inputs.json"
    return json.loads(path.read_bytes())["precision"] if path.exists() else None


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
