"""A run's rows as the student was trained on them, and where each is from."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from ..endpoints.settings import EndpointSettings
from ..run.history import read_step
from ..student.chat import Chat, chat_turns
from ..student.training.dataset import format_rows
from ..types import Draft, Pick, Row
from .exported_run import ExportedRun
from .row_costs import UNKNOWN_COST, RowCost, read_row_costs


class RowOrigin(NamedTuple):
    """Where a row is from. None: not known, or it is no teacher's row."""

    id: str
    seed: str | None  # None: the user's own row
    round: int | None  # None: it was there from the start
    criterion: str | None  # that chose the seed
    score: float | None  # of the seed
    teacher: str | None  # the model, or the kind of teacher that has none
    prompt_sha256: str | None  # of the prompt files, or of the program
    verified: bool  # the answer is proven, or others agree with it
    tokens: int | None  # of all calls for the row
    usd: float | None


class ExportedRow(NamedTuple):
    """A row of the training set."""

    chat: Chat
    message: str  # what the student is asked, as the user's message
    text: str  # what it should answer
    origin: RowOrigin | None = None  # None: it is not exported

    @property
    def prompt_turns(self) -> list[dict[str, str]]:
        return chat_turns(self.chat, self.message)

    @property
    def turns(self) -> list[dict[str, str]]:
        return [*self.prompt_turns, self.answer_turn]

    @property
    def answer_turn(self) -> dict[str, str]:
        return {"role": "assistant", "content": self.text}


def collect_exported_rows(run: ExportedRun) -> list[ExportedRow]:
    """The rows that were there from the start, then those of each finished round."""
    rounds = run.history.rounds
    rows = [*run.given_rows, *(row for done in rounds for row in done.fresh.rows)]
    if run.is_plain:
        chat, messages = Chat(), [(row.question, row.text) for row in rows]
    else:
        student = run.config.student
        chat = Chat(student.system, student.chat_template_kwargs)
        messages = format_rows(rows, run.task.prompt)
    origins: Sequence[RowOrigin | None] = [None] * len(rows)
    if run.with_meta:
        origins = find_origins(run)
    return [
        ExportedRow(chat, message, text, origin)
        for (message, text), origin in zip(messages, origins, strict=True)
    ]


# -- where rows are from -----------------------------------------------------------------


def find_origins(run: ExportedRun) -> list[RowOrigin]:
    """In the order of `collect_exported_rows`."""
    costs = read_row_costs(run)
    origins = [given_origin(row) for row in run.given_rows]
    for r, finished in enumerate(run.history.rounds):
        picks = {(pick.seed, pick.n): pick for pick in finished.chosen.picks}
        drafts = read_step(run.folder / f"round-{r:02d}", "generate")
        draft_by_pair = {(draft.seed, draft.n): draft for draft in drafts}
        for row in finished.fresh.rows:
            assert row.seed is not None
            pair = row.seed, row.n
            cost = costs.get(pair, UNKNOWN_COST)
            origins.append(
                bought_origin(run, r, row, picks[pair], draft_by_pair[pair], cost)
            )
    return origins


def given_origin(row: Row) -> RowOrigin:
    nothing: dict[str, Any] = dict.fromkeys(RowOrigin._fields)
    own = {"id": row.id, "seed": row.seed, "verified": row.verified}
    return RowOrigin(**{**nothing, **own})


def bought_origin(
    run: ExportedRun, round: int, row: Row, pick: Pick, draft: Draft, cost: RowCost
) -> RowOrigin:
    teacher = run.config.teacher
    return RowOrigin(
        id=row.id,
        seed=row.seed,
        round=round,
        criterion=pick.by or run.config.criterion.name,
        score=pick.score,
        teacher=teacher.model
        if isinstance(teacher, EndpointSettings)
        else teacher.name,
        prompt_sha256=draft.prompt,
        verified=row.verified,
        tokens=cost.tokens,
        usd=cost.usd,
    )
