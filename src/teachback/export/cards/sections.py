"""The sections that both cards have: origin, checks, costs, limits, how to make it again."""

from collections.abc import Iterator

import yaml

from ...curate.near_duplicates import JACCARD_THRESHOLD, SHINGLE_WORDS
from ...curate.overlap import LEAK_WORDS, WARNING_WORDS
from ...report.diagnosis.words import headline
from ...report.formatting import format_accuracy
from ...report.role_costs import COST_COLUMNS, cost_cells, role_cost_notes
from ...report.run_status import budget_line
from ...report.run_summary import spend_line
from ...report.values import is_round_open
from ...teachers.pool_teacher import PoolTeacherSettings
from .facts import CardFacts, describe_teacher
from .markdown import escape_markdown, format_code, format_table
from .recipe import make_public_config

NOT_GIVEN = "not given"
# Latencies are of one machine and one day.
N_COST_COLUMNS = COST_COLUMNS.index("median s")


def origin_section(facts: CardFacts) -> Iterator[str]:
    """What the run was made from. What nobody gave is said to be missing."""
    config, about, inputs = facts.config, facts.config.about, facts.inputs
    criterion = config.criterion.name
    rows = [
        ("task", config.task.name),
        ("seeds", f"{inputs.n_seeds} questions"),
        ("source of the seeds", about.source or facts.hub_dataset or NOT_GIVEN),
        ("licence of the seeds", about.source_license or NOT_GIVEN),
        ("licence of this", about.license or NOT_GIVEN),
        ("language", ", ".join(about.language) or NOT_GIVEN),
        ("rows come from", describe_teacher(config)),
        *([("models asked", ", ".join(facts.models))] if facts.models else []),
        ("seeds chosen by", f"{criterion}, {config.per_round} a round"),
        (
            "untuned student",
            f"{facts.base_words} ({inputs.student})",
        ),
        ("precision", inputs.precision),
    ]
    if inputs.today:
        rows.append(("day that the prompts name", inputs.today))
    yield from ["## Where it is from", ""]
    yield from format_table(("what", "which"), rows)
    yield from terms_lines(facts)


def terms_lines(facts: CardFacts) -> Iterator[str]:
    if isinstance(facts.config.teacher, PoolTeacherSettings):
        yield from [
            "**Terms.** The licence of the file of rows holds for them here, too.",
            "",
        ]
    if facts.models:
        names = ", ".join(map(escape_markdown, facts.models))
        yield (
            f"**Terms.** Some providers forbid or limit training on their models' output, and "
            f"sharing it. Read the terms for {names} before you use or share this."
        )
        yield ""


def yield_section(facts: CardFacts) -> Iterator[str]:
    """How many drafts became rows, by round, and why the others did not."""
    yield from ["## From drafts to rows", ""]
    n_given = len(facts.run.given_rows)
    n_rows = facts.run.count_rows()
    share = f" ({facts.n_verified / n_rows:.0%})" if n_rows else ""
    yield (
        f"{n_rows} rows: {n_given} were there from the start, {n_rows - n_given} were "
        f"written in {len(facts.rounds)} rounds. Verified are {facts.n_verified}{share}: their "
        "answers are proven, or other answers agree with them."
    )
    if is_round_open(facts.run.history):
        yield f"Round {len(facts.rounds)} is under way, and has no part in this."
    yield ""
    rows = []
    for r, done in enumerate(facts.rounds):
        fresh = done.fresh
        n_drafts = len(fresh.rows) + len(fresh.rejected)
        n_verified = sum(row.verified for row in fresh.rows)
        rows.append((r, len(done.chosen.picks), n_drafts, len(fresh.rows), n_verified))
    yield from format_table(("round", "seeds", "drafts", "rows", "verified"), rows)
    reasons = facts.refusals.most_common()
    if reasons:
        yield from format_table(("why a draft is no row", "drafts"), reasons)
    else:
        yield from ["No draft was refused.", ""]


def contamination_section(facts: CardFacts) -> Iterator[str]:
    """What curating compares with dev and test."""
    inputs = facts.inputs
    yield from ["## Dev and test questions in the rows", ""]
    yield (
        f"Every draft's question was compared with the {inputs.n_dev} questions of dev and the "
        f"{inputs.n_test} of test. It was refused if it is the same exercise as one of them."
    )
    is_templated = None if facts.task is None else facts.task.templated
    if is_templated:
        yield (
            "The questions of this task are made from templates and share their words, so no "
            "words were compared."
        )
    else:
        if is_templated is None:
            yield "Unless the task's questions are made from templates, which can't be told here:"
        yield from free_text_checks(facts)
    yield ""
    yield f"Refused as contaminated: {facts.refusals['contaminated']} drafts."
    yield "Worked solutions and the student's own pretraining were not compared."
    yield ""


def free_text_checks(facts: CardFacts) -> Iterator[str]:
    yield (
        f"It was refused, too, if it shares {LEAK_WORDS} words in a row with one of them, has "
        "all of a shorter one in it, is like one by "
        f"{JACCARD_THRESHOLD} or more (Jaccard, runs of {SHINGLE_WORDS} words), or is a near-copy "
        "with other numbers, names or some other words. Where more questions of a round look made "
        "from theirs than chance explains, these were refused."
    )
    yield (
        f"{facts.n_warnings} rows share {WARNING_WORDS} words in a row with a question of dev or "
        "test, be it with other numbers. They are kept: a person should look at them."
    )


def cost_section(facts: CardFacts) -> Iterator[str]:
    costs, limits = facts.costs, facts.config.budget
    n_accepted = sum(len(done.fresh.rows) for done in facts.rounds)
    yield from ["## What it cost", ""]
    yield f"{escape_markdown(spend_line(costs.spend))}."
    budget = budget_line(limits.budget(), costs.committed, n_accepted, limits.accepted)
    yield from ["", f"{escape_markdown(budget)}.", ""]
    rows = [cost_cells(cost)[:N_COST_COLUMNS] for cost in costs.roles]
    yield from format_table(COST_COLUMNS[:N_COST_COLUMNS], rows)
    for note in role_cost_notes(costs.roles):
        yield from [f"{escape_markdown(note)}.", ""]


def repeat_section(facts: CardFacts, export_options: str) -> Iterator[str]:
    """The commands that make the run, and this, again. export_options: --to FORM …"""
    versions = facts.inputs.versions
    yield from ["## Make it again", ""]
    config = yaml.safe_dump(
        make_public_config(facts.config), sort_keys=False, allow_unicode=True
    )
    commands = [
        f"pip install 'teachback[student]=={versions['teachback']}'",
        "teachback run config.yaml --run-dir runs/again",
        f"teachback export runs/again {export_options}",
    ]
    yield from format_code("\n".join(commands), "sh")
    yield "config.yaml, with what is not a default. Addresses and keys are left out, and a path is"
    yield "the name of its file or folder:"
    yield ""
    yield from format_code(config, "yaml")
    if facts.models:
        yield from ["A model that samples writes other rows the next time.", ""]
    yield from format_table(("package", "version"), [*versions.items()])


def limits_section(facts: CardFacts) -> Iterator[str]:
    yield from ["## Limits", ""]
    yield from (f"- {line}" for line in list_limits(facts))
    yield ""


def list_limits(facts: CardFacts) -> Iterator[str]:
    diagnosis = facts.diagnosis
    if diagnosis is not None:
        yield f"{escape_markdown(headline(diagnosis.change, diagnosis.n_questions))}."
        for cause in diagnosis.causes:
            yield f"{cause.kind}: {escape_markdown(cause.finding)}."
    after = facts.evidence.after
    accuracy = escape_markdown(format_accuracy(after))
    yield f"{after.n} dev questions say no more than their interval: {accuracy}."
    if facts.config.keep == "best":
        yield (
            "The student is the one with the best dev accuracy of its rounds, so that accuracy "
            "flatters it."
        )
    else:
        yield "Dev was measured after every round, and choices may have been made by it."
    if facts.test_reports[1] is None:
        yield "Test was not measured."
    n_unverified = facts.run.count_rows() - facts.n_verified
    if n_unverified:
        yield f"{n_unverified} rows are unverified: their answers could only be read, not proven."
    if facts.config.about.license is None:
        yield "No licence was given. Ask who made it before you use it."
    yield "Errors and bias of seeds, teacher and untuned student may be in it."
