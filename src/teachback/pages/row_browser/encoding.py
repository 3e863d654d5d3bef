"""A run's rows as columns of numbers over two tables of texts: what assets/data.js reads.

Labels are short, and the list needs them at once. Texts are long, and a page unpacks them after its
list is there. They stand in the order in which a reader meets them: a seed's question, the answers
to it, the drafts, the replies. So what repeats is near enough for deflate, whose window is 32 KiB.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from .collect import RunRows, ShownAttempt, ShownDraft

NO_PLACE = -1  # the place of None
MAX_LABEL = 160  # characters: a line of the list has no room for more
MARKS: Mapping[bool | None, str] = {True: "1", False: "0", None: "-"}


class DetailLevel(NamedTuple):
    """How much the page holds. note: what is left out, and where it is."""

    note: str = ""
    all_attempts: bool = (
        True  # else those that drafts show: of their round and the next
    )
    replies: bool = True
    max_characters: int | None = None  # of a text
    unselected: bool = True  # questions and attempts of the seeds never selected


class EncodedRows(NamedTuple):
    columns: Mapping[str, Any]
    texts: Sequence[str]


class TextTable:
    """Each text once. Columns hold its place."""

    def __init__(self, max_characters: int | None = None) -> None:
        self._max_characters = max_characters
        self._places: dict[str, int] = {}

    def add(self, text: str | None) -> int:
        if text is None:
            return NO_PLACE
        limit = self._max_characters
        if limit is not None and len(text) > limit:
            text = f"{text[:limit]} …"
        return self._places.setdefault(text, len(self._places))

    def texts(self) -> list[str]:
        return list(self._places)


class RowEncoder:
    """Encodes one run at one level of detail."""

    def __init__(self, rows: RunRows, level: DetailLevel) -> None:
        self._rows = rows
        self._level = level
        self._labels = TextTable()
        self._texts = TextTable(level.max_characters)
        self._seeds = {id: place for place, (id, _) in enumerate(rows.seeds)}
        self._selected = {draft.seed for draft in rows.drafts}
        # By round, then by seed: places in the texts.
        self._attempts = [[NO_PLACE] * len(self._seeds) for _ in rows.attempts]

    def encode(self) -> EncodedRows:
        rows, level = self._rows, self._level
        # Drafts come first, so that their texts stand together in the table.
        drafts = [self._encode_draft(draft) for draft in rows.drafts]
        seeds = [self._encode_seed(place) for place in range(len(rows.seeds))]
        for number in range(len(rows.attempts)):
            self._add_attempts(number, self._list_more_seeds(number))
        columns = {
            "drafts": to_columns(drafts),
            "seeds": to_columns(seeds),
            "attempts": self._attempts,
            "right": [self._mark(by_seed, "right") for by_seed in rows.attempts],
            "truncated": [
                self._mark(by_seed, "truncated") for by_seed in rows.attempts
            ],
            "scores": [self._list_scores(scores) for scores in rows.scores],
            "notes": [*rows.notes, *([level.note] if level.note else [])],
            "labels": self._labels.texts(),
        }
        return EncodedRows(columns, self._texts.texts())

    def _encode_draft(self, draft: ShownDraft) -> dict[str, Any]:
        label, add, pick = self._labels.add, self._texts.add, draft.pick
        seed = self._seeds.get(draft.seed or "", NO_PLACE)
        seed_question = None if seed == NO_PLACE else self._question(seed)
        add(seed_question)
        if draft.round is not None and draft.seed is not None:
            self._add_attempts(draft.round, [draft.seed])
            self._add_attempts(draft.round + 1, [draft.seed])
        replies = draft.replies if self._level.replies else ()
        return {
            "id": label(draft.id),
            "seed": seed,
            "round": draft.round,
            "outcome": label(draft.outcome),
            "rank": pick.rank if pick else None,
            "score": round_number(pick.score if pick else None),
            "by": label(pick.by if pick else None),
            "snippet": label(shorten(draft.question or seed_question)),
            "question": add(draft.question),
            "text": add(draft.text),
            "answer": add(draft.answer),
            "verdict": label(draft.verdict),
            "short_reason": label(shorten(draft.reason)),
            "reason": add(draft.reason),
            "replies": [[label(reply.role), add(reply.text)] for reply in replies],
            "overlaps": [add(line) for line in draft.overlaps],
            "seed_loss": round_number(draft.seed_loss),
            "row_loss": round_number(draft.row_loss),
        }

    def _encode_seed(self, place: int) -> dict[str, int]:
        id, example = self._rows.seeds[place]
        gold = (example.answer or example.solution) if example else None
        question, is_selected = self._question(place), id in self._selected
        return {
            "id": self._labels.add(id),
            "snippet": self._labels.add(None if is_selected else shorten(question)),
            "question": self._texts.add(question),
            "gold": self._texts.add(gold if self._is_whole(id) else None),
        }

    def _question(self, place: int) -> str | None:
        id, example = self._rows.seeds[place]
        return example.question if example and self._is_whole(id) else None

    def _is_whole(self, seed: str) -> bool:
        return self._level.unselected or seed in self._selected

    def _list_more_seeds(self, number: int) -> Iterable[str]:
        """Those whose attempts of a round are shown beside the ones that drafts show."""
        if self._level.all_attempts:
            return self._seeds
        is_shown = number in (0, len(self._attempts) - 1) and self._level.unselected
        return [seed for seed in self._seeds if is_shown and seed not in self._selected]

    def _add_attempts(self, number: int, seeds: Iterable[str]) -> None:
        """Of a round that has begun, else none."""
        by_seed = dict(enumerate(self._rows.attempts)).get(number, {})
        for seed in seeds:
            if seed in by_seed and seed in self._seeds:
                place = self._texts.add(by_seed[seed].text)
                self._attempts[number][self._seeds[seed]] = place

    def _mark(self, by_seed: Mapping[str, ShownAttempt], field: str) -> str:
        """A character for each seed: 1, 0, or - where the files don't tell."""
        found = (by_seed.get(seed) for seed in self._seeds)
        return "".join(MARKS[one and getattr(one, field)] for one in found)

    def _list_scores(self, scores: Mapping[str, float]) -> list[float | None]:
        """Of each seed; empty where the criterion gives none."""
        return [round_number(scores.get(seed)) for seed in self._seeds if scores]


def to_columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}


def round_number(number: float | None) -> float | None:
    """Six digits are more than a reader compares, and half of the characters."""
    return None if number is None else float(f"{number:.6g}")


def shorten(text: str | None) -> str | None:
    """On one line, as the list shows it."""
    if text is None:
        return None
    line = " ".join(text[: 2 * MAX_LABEL].split())
    return line if len(line) <= MAX_LABEL else f"{line[:MAX_LABEL]} …"
