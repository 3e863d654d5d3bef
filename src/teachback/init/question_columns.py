"""Finds what the student is asked: a column, several put together, or a chat's last question."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..errors import DataError
from ..files.source_rows import FileRow
from ..tasks.cell_error import CellError
from ..tasks.cells import find_cell
from ..tasks.chat_turns import CHAT_PARTS, read_chat_part, read_turns
from .column_names import (
    CHAT_NAMES,
    CONTEXT_NAMES,
    QUESTION_NAMES,
    SYSTEM_NAMES,
    match_names,
)
from .field_values import (
    has_texts,
    is_asking,
    is_constant_field,
    is_sql,
    is_text_field,
    is_varied_field,
    is_wordy,
    is_worked_column,
)
from .fields import Field, find_field
from .picks import ColumnPicks, refuse_unclear_role

# Of words that rows share: as many make two questions look like copies of each other.
SHARED_WORDS = 8


@dataclass(frozen=True)
class QuestionGuess:
    columns: str | tuple[str, ...]
    # What the rows that were looked at have there.
    cells: tuple[object, ...]
    # Paths that have their role, so that none of them is an answer.
    covered: frozenset[str]
    # Of a chat: where the assistant's turn is.
    reply: str | None = None
    shared_text: str | None = None
    has_shared_passages: bool = False
    shape: str = ""
    notes: tuple[str, ...] = ()

    @property
    def columns_for_command(self) -> str:
        return self.columns if isinstance(self.columns, str) else self.columns[-1]


def find_question(
    fields: Sequence[Field],
    rows: Sequence[FileRow],
    source: str,
    picks: ColumnPicks,
) -> QuestionGuess:
    """Raises DataError where no column clearly is the question."""
    if picks.question:
        return picked_question(fields, picks)
    chats = [field for field in fields if field.kind == "chat"]
    if chats:
        return find_chat_question(fields, chats, source)
    texts = [f for f in fields if is_text_field(f) and f.path not in picks.paths]
    field = question_field(texts, source)
    guess = QuestionGuess(field.path, field.cells, frozenset({field.path}))
    parts = [f for f in fields if has_texts(f) and f.path not in picks.paths]
    return with_parts_above(guess, field, parts, rows)


def picked_question(fields: Sequence[Field], picks: ColumnPicks) -> QuestionGuess:
    paths = tuple(path.removesuffix("?") for path in picks.question)
    field = find_field(fields, paths[-1])
    columns = picks.question[0] if len(picks.question) == 1 else picks.question
    cells = field.cells if field else ()
    # A chat's other parts still have theirs.
    chat = paths[-1].removesuffix(".user")
    reply = f"{chat}.assistant" if chat != paths[-1] else None
    covered = covered_by_chat(chat) if reply else set()
    return QuestionGuess(columns, cells, frozenset({*paths, *covered}), reply)


def question_field(texts: Sequence[Field], source: str) -> Field:
    """By its name, the first that differs from row to row; or else by its texts."""
    field_by_name = {field.name: field for field in reversed(texts)}
    named = [field_by_name[name] for name in match_names(field_by_name, QUESTION_NAMES)]
    if named:
        # By name, an "instruction" that says "Add." in every row would win over the "input".
        return next((field for field in named if is_varied_field(field)), named[0])
    candidates = [
        field
        for field in texts
        if is_varied_field(field)
        and is_wordy(field)
        and not is_sql(field)
        and not is_worked_column(field.values)
    ]
    asking = [field for field in candidates if is_asking(field)]
    clear = asking if len(asking) == 1 else candidates
    if len(clear) != 1:
        raise refuse_unclear_role("question", texts, source)
    return clear[0]


def with_parts_above(
    guess: QuestionGuess,
    field: Field,
    texts: Sequence[Field],
    rows: Sequence[FileRow],
) -> QuestionGuess:
    """The instruction of an Alpaca row, the passage of a SQuAD row, and a system's text."""
    others = [other for other in texts if other.path != field.path]
    by_name = {
        role: first_named(others, names)
        for role, names in {
            "system": SYSTEM_NAMES,
            "instruction": ("instruction",),
            "context": CONTEXT_NAMES,
        }.items()
    }
    above = [by_name["system"], by_name["context"]]
    below: list[Field] = []
    shape = "questions with their context" if by_name["context"] else ""
    instruction = by_name["instruction"]
    input_field = first_named(others, ("input",))
    if match_names([field.name], ("input",)) and instruction:
        above.append(instruction)
        shape = "instructions with their input"
    elif match_names([field.name], ("instruction",)) and input_field:
        below.append(input_field)
        shape = "instructions with their input"
    above_fields = [other for other in above if other is not None]
    if not above_fields and not below:
        return guess
    return join_parts(replace(guess, shape=shape), above_fields, field, below, rows)


def join_parts(
    guess: QuestionGuess,
    above: Sequence[Field],
    field: Field,
    below: Sequence[Field],
    rows: Sequence[FileRow],
) -> QuestionGuess:
    """What is the same in all rows is said once; passages are kept with their question."""
    contexts = {f.path for f in above if match_names([f.name], CONTEXT_NAMES)}
    shared = [f for f in above if f.path not in contexts and is_constant(f, rows)]
    parts = [f for f in (*above, field, *below) if f not in shared]
    columns = tuple(with_mark(f.path, rows, f.path == field.path) for f in parts)
    covered = {f.path for f in (*shared, *parts)}
    return replace(
        guess,
        columns=columns if len(columns) > 1 else columns[0],
        covered=guess.covered | covered,
        shared_text="\n\n".join(str(f.values[0]) for f in shared) or None,
        has_shared_passages=any(has_long_repeats(f) for f in parts if f is not field),
    )


def with_mark(path: str, rows: Sequence[FileRow], is_main: bool) -> str:
    """ "input?", where some rows have none."""
    if is_main and not path.endswith("input"):
        return path
    is_empty = any(not str(cell_or_none(row, path) or "").strip() for row in rows)
    return f"{path}?" if is_empty else path


def cell_or_none(row: FileRow, path: str) -> object:
    try:
        return find_cell(row, path)
    except CellError:
        return None


def is_constant(field: Field, rows: Sequence[FileRow]) -> bool:
    if not is_constant_field(field):
        return False
    return len({str(cell_or_none(row, field.path)) for row in rows}) == 1


def has_long_repeats(field: Field) -> bool:
    """Some rows share a text of many words, which would make their questions look like copies."""
    counts = Counter(str(value) for value in field.values)
    return any(
        n > 1 and len(text.split()) >= SHARED_WORDS for text, n in counts.items()
    )


def first_named(fields: Sequence[Field], names: Sequence[str]) -> Field | None:
    found = match_names((field.name for field in fields), names)
    return next((field for field in fields if found and field.name == found[0]), None)


# -- chats -------------------------------------------------------------------------------


def find_chat_question(
    fields: Sequence[Field], chats: Sequence[Field], source: str
) -> QuestionGuess:
    """The last turn of the user, from the first chat that has one. Raises DataError for none."""
    known = match_names((field.name for field in chats), CHAT_NAMES)
    ordered = sorted(
        chats, key=lambda f: known.index(f.name) if f.name in known else len(known)
    )
    asked = [f for f in ordered if any(chat_cells(f, "user"))]
    if not asked:
        refuse_unread_chat(ordered[0], source)
        raise refuse_unclear_role("question", fields, source)
    chat = asked[0]
    replies = [f for f in (chat, *ordered) if any(chat_cells(f, "assistant"))]
    reply = f"{replies[0].path}.assistant" if replies else None
    covered = {path for f in chats for path in covered_by_chat(f.path)} - {reply}
    guess = QuestionGuess(
        f"{chat.path}.user",
        tuple(chat_cells(chat, "user")),
        frozenset(covered),
        reply,
        shape="chats",
    )
    return with_system(guess, chat)


def with_system(guess: QuestionGuess, chat: Field) -> QuestionGuess:
    systems = set(chat_cells(chat, "system"))
    notes: tuple[str, ...] = ()
    n_long = sum(count_turns(cell) > 1 for cell in chat.values)
    if n_long:
        notes = (
            f"{n_long:,} of {len(chat.values):,} chats that were looked at have several turns: the "
            "student answers the last question and sees the turns before it",
        )
    if systems == {None}:
        return replace(guess, notes=notes)
    if len(systems) == 1:
        return replace(guess, shared_text=str(systems.pop()), notes=notes)
    mark = "?" if None in systems else ""
    columns = (f"{chat.path}.system{mark}", f"{chat.path}.user")
    return replace(guess, columns=columns, notes=notes)


def chat_cells(chat: Field, part: str) -> list[str | None]:
    """Of each row; None where it lacks the part or can't be read, which a task will refuse."""
    return [chat_cell(cell, part) for cell in chat.cells]


def chat_cell(cell: object, part: str) -> str | None:
    try:
        turns = read_turns(cell)
        return None if turns is None else read_chat_part(turns, part)
    except CellError:
        return None


def covered_by_chat(path: str) -> set[str]:
    return {path, *(f"{path}.{part}" for part in CHAT_PARTS)}


def count_turns(cell: object) -> int:
    """Those of the user."""
    try:
        return sum(turn.role == "user" for turn in read_turns(cell) or [])
    except CellError:
        return 0


def refuse_unread_chat(chat: Field, source: str) -> None:
    """Raises DataError with the reason why a chat can't be read, if there is one."""
    try:
        read_turns(chat.values[0])
    except CellError as error:
        raise DataError(
            f"{source}: the column {chat.path!r} {error}",
            allowed=error.allowed,
            fix="leave such rows out, or write the question into a column of its own",
        ) from error
