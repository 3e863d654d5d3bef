"""The text of the config, with a comment on every choice. `config.read` reads it back."""

import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from ..types import Example
from .guess import BOX
from .sizes import READ, Shares
from .survey import Survey

BASE_URL, MODEL = "https://api.openai.com/v1", "gpt-4o"
STEP_BY_STEP = "Solve the problem step by step."
LINE = 'End with a last line "Answer: {}".'
FORMS = {
    "number": "<number>",
    "math": "<answer>",
    "choice": "<letter>",
    "game24": "<expression> = 24",
}
PROMPTS = {"number": "math", "math": "math", "game24": "math", "proof": "logic"}
LABELS = range(2, 7)  # different answers that an instruction can list
PIECE = re.compile(
    r"[A-Za-z]+|\d|[^\sA-Za-z\d]+|\n"
)  # letters of a word count by sixes: on the safe side
STEP, SHORTEST, LONGEST, UNKNOWN = 16, 32, 256, 256  # tokens of an answer


@dataclass(frozen=True)
class Choices:
    """What was decided, to be written down. use_solution: False where solutions contradict the
    answers.

    why: what speaks for the grader. pool: the free teacher; otherwise the endpoint.
    """

    survey: Survey
    shares: Shares
    grader: str
    why: str
    pool: bool
    use_solution: bool = True
    base_url: str | None = None
    model: str | None = None

    @property
    def solved(self) -> bool:
        return self.use_solution and any(
            e.solution is not None for e in self.survey.examples
        )


def compose(choices: Choices, out: Path) -> str:
    """The YAML; paths are relative to its folder."""
    parts = [
        header(choices, out),
        task(choices, out),
        student(choices),
        teacher(choices, out),
        loop(choices),
    ]
    return "\n".join(line.rstrip() for part in parts for line in part) + "\n"


def header(c: Choices, out: Path) -> list[str]:
    run = "the same command again resumes, or says that it is finished"
    plan = (
        []
        if c.pool
        else [
            said(
                f"#   teachback plan {out.name}",
                "the bill, before anything is sent",
                40,
            )
        ]
    )
    return [
        f"# Written by `teachback init {comment(c.survey.path.name)}`. Every line may be changed.",
        "#",
        *plan,
        said(f"#   teachback run {out.name}", run, 40),
        *(
            [
                said(
                    f"#   teachback evaluate runs/{out.stem}",
                    "the test set, at the end",
                    40,
                )
            ]
            if c.shares.sizes.test
            else []
        ),
    ]


def task(c: Choices, out: Path) -> list[str]:
    survey = c.survey
    aside = "set aside by a hash of the question; no seed or row is one of them"
    by = ", ".join(map(quoted, c.shares.by))
    return [
        "task:",
        "  name: jsonl",
        f"  seeds: {relative(survey.path, out)}",
        said(
            f"  n_seeds: {c.shares.sizes.seeds}",
            "questions that the student tries each round, to see what it lacks",
        ),
        *(
            [said(f"  dev: {relative(survey.dev.path, out)}", "lies beside the file")]
            if survey.dev
            else []
        ),
        said(
            f"  n_dev: {c.shares.sizes.dev}",
            f"asked after each round: {'of that file' if survey.dev else aside}",
        ),
        *(
            [said(f"  test: {relative(survey.test.path, out)}", "lies beside the file")]
            if survey.test
            else []
        ),
        *tested(c.shares.sizes.test),
        *columns(c),
        said(f"  grader: {c.grader}", comment(c.why)),
        f"  instruction: {quoted(instruction(c))}",
        *(
            [said(f"  by: [{by}]", "reports break accuracy down by these")]
            if by
            else []
        ),
    ]


def tested(n: int | None) -> list[str]:
    if n is None:
        return [
            said("  # n_test: 20", "nothing is set aside for a test: the file is small")
        ]
    return [said(f"  n_test: {n}", "only `teachback evaluate` asks these")]


def columns(c: Choices) -> list[str]:
    """Those that go by another name than a task expects, or that must not be taken."""
    lines, used = [], c.survey.columns
    solution = used.solution if c.use_solution else None
    for role, name in (
        ("question", used.question),
        ("answer", used.answer),
        ("solution", solution),
        ("id", used.id),
    ):
        if name is None and (
            role in c.survey.named or (role == "answer" and used.solution)
        ):
            lines.append(said(f"  {role}: null", why_none(role, c)))
        elif name is not None and name != role:
            lines.append(said(f"  {role}: {quoted(name)}", "the column's name"))
    return lines


def why_none(role: str, c: Choices) -> str:
    if role == "answer":
        return "taken out of the solution, which ends in it"
    if role == "solution" and c.survey.columns.solution is not None:
        return "some end in another answer than their row has: mend these, then delete this line"
    return "not every row has one of its own" if role == "id" else "not used"


def instruction(c: Choices) -> str:
    """Tells the student the form in which its answer is read."""
    if c.grader == "proof":
        proof = (
            "Prove it in sentences like those of the question, one step at a time."
            if c.solved
            else ""
        )
        return (
            f'{proof} End with a last line "Answer: True" or "Answer: False".'.strip()
        )
    start = STEP_BY_STEP if c.solved or not c.pool else "Answer the question."
    if c.grader == "game24":
        start = "Use each of the four numbers once, with + - * / and parentheses, to make 24."
    if c.grader in ("number", "math") and c.solved and boxed(c.survey.examples):
        return f"{start} Put the final answer in \\boxed{{}}."
    form = FORMS.get(c.grader) or labels(
        [e.answer for e in c.survey.answered if e.answer is not None]
    )
    return f"{start} {LINE.format(form)}"


def labels(answers: Sequence[str]) -> str:
    different = sorted(set(answers))
    if (
        len(different) in LABELS
        and max(map(len, different)) <= 30
        and not any("\n" in a for a in different)
    ):
        return f"<one of: {', '.join(different)}>"
    return "<answer>"


def boxed(examples: Sequence[Example]) -> bool:
    worked = [e.solution for e in examples if e.solution is not None]
    return 2 * sum(BOX.search(text) is not None for text in worked) > len(worked)


def student(c: Choices) -> list[str]:
    wanted = answer_tokens(c)
    n = min(LONGEST, wanted or UNKNOWN)
    why = "no worked solutions to go by"
    if wanted is not None:
        why = "holds 95 % of the file's answers, by a rough count"
    if wanted is not None and wanted > n:
        why = f"for a quick look; about {wanted} would hold 95 % of the file's answers"
    return [
        "student:",
        said(
            "  model: smollm2-135m",
            "packaged, small; or a folder, or a name on the Hub (Qwen/Qwen2.5-1.5B-Instruct)",
        ),
        said(f"  max_new_tokens: {n}", why),
    ]


def answer_tokens(c: Choices) -> int | None:
    """The 95th percentile of the answers' length in tokens, estimated without a tokenizer; None:
    nothing to go by.
    """
    texts = (
        [e.solution for e in c.survey.examples if e.solution is not None]
        if c.solved
        else []
    )
    if not texts and c.pool:
        texts = [
            f"Answer: {e.answer}" for e in c.survey.examples if e.answer is not None
        ]
    if not texts:
        return None
    lengths = sorted(
        sum(1 + len(p) // 6 if p.isalpha() else 1 for p in PIECE.findall(text))
        for text in texts
    )
    wanted = (
        1.15 * lengths[int(0.95 * (len(lengths) - 1))] + 8
    )  # 8: a line "Answer: …", the end
    return max(SHORTEST, STEP * math.ceil(wanted / STEP))


def teacher(c: Choices, out: Path) -> list[str]:
    if not c.pool:
        return ["teacher:", *endpoint(c), *(f"# {line}" for line in prices(c))]
    n = len(c.shares.reserve)
    few = (
        [
            said(
                f"  n_rows: {READ}",
                f"of {n:,}: the untuned student reads each of them once",
            )
        ]
        if n > READ
        else []
    )
    return [
        "teacher:",
        said(
            "  name: pool",
            "a free dry run: a seed gets the nearest of your rows, and no model writes any",
        ),
        said(
            f"  rows: {relative(c.survey.path, out)}",
            "those that are no seed, dev or test",
        ),
        *few,
        "# For a model that writes new rows, which costs money: delete the lines above from "
        "`teacher:` on, and take",
        "# the marks off these:",
        *(f"# {line}" for line in ("teacher:", *endpoint(c), *prices(c))),
    ]


def endpoint(c: Choices) -> list[str]:
    longest = max(512, 2 * (answer_tokens(c) or 0)) if c.solved else 1024
    return [
        said(
            "  name: openai",
            "any OpenAI-compatible endpoint; the key comes from $OPENAI_API_KEY",
        ),
        said(
            f"  base_url: {quoted(c.base_url or BASE_URL)}",
            "" if c.base_url else "fill in: yours",
        ),
        said(
            f"  model: {quoted(c.model or MODEL)}", "" if c.model else "fill in: yours"
        ),
        said(
            f"  prompts: {PROMPTS.get(c.grader, 'neutral')}",
            "neutral, math, logic, or a folder with your own",
        ),
        f"  max_tokens_answer: {longest}",
    ]


def prices(c: Choices) -> list[str]:
    """Left for a person to fill in: an unknown price stays unknown, and pairs are counted either
    way.
    """
    return [
        said(
            "prices:",
            "per million tokens, and when you looked. With them `run` asks before it spends",
        ),
        said(
            f"  {quoted(c.model or MODEL)}: {{as_of: YYYY-MM-DD, input: USD, output: USD}}",
            "fill in",
        ),
    ]


def loop(c: Choices) -> list[str]:
    usd = (
        []
        if c.pool
        else [said("  # usd: 1.00", "nor spends more than this: needs the prices")]
    )
    return [
        said(
            "criterion: loss",
            "picks the seeds that the student is least sure of; or random, to compare with",
        ),
        said(f"per_round: {c.shares.per_round}", "rows: few, for a first look"),
        f"rounds: {c.shares.rounds}",
        "budget:",
        said(
            f"  generated: {c.shares.pairs}",
            "the teacher writes no more rows than this, good or bad",
        ),
        *usd,
        "finetune:",
        "  lr: 1.5e-4",
        "  epochs: 3",
        said(
            "  rows_per_step: 2",
            "many small steps: with so few rows, steps are what runs out",
        ),
        said(
            "  restart: continue",
            "from the last student, with half of the earlier rows: quicker than from the base",
        ),
        "  replay: 0.5",
    ]


def said(line: str, note: str, width: int = 25) -> str:
    return f"{line:<{width}} # {note}" if note else line


def relative(path: Path, out: Path) -> str:
    """As the YAML takes it: from its own folder."""
    text = os.path.relpath(path.absolute(), out.absolute().parent)
    return quoted(str(path.absolute()) if text.startswith("~") else text)


def quoted(value: str | None) -> str:
    """A value as YAML, on one line."""
    text = yaml.safe_dump(
        [value], default_flow_style=True, allow_unicode=True, width=10**9
    )
    return text.strip()[1:-1]


def comment(text: str) -> str:
    """One line that YAML reads as a comment."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
