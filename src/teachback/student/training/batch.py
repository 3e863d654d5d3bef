"""Rows as tokens, the order in which they are trained on, and the micro-batches of a step."""

import random
from collections.abc import Iterator, Sequence
from typing import Any, TypedDict

from ...errors import StudentError
from ..chat import Chat, describe_tokens, row_ids
from ..loading import LoadedStudent
from .recipe import Recipe

IGNORED_LABEL = -100  # what torch's cross entropy leaves out


class TokenRow(TypedDict):
    prompt: list[int]
    answer: list[int]


def tokenize_row(
    student: LoadedStudent, chat: Chat, message: str, answer: str
) -> TokenRow:
    prompt, completion = row_ids(student, chat, message, answer)
    return {"prompt": prompt, "answer": completion}


def tokenize_rows(
    student: LoadedStudent, chat: Chat, rows: Sequence[tuple[str, str]]
) -> list[TokenRow]:
    """The rows' tokens.

    Raises StudentError, with the tokens, for a row that would teach nothing or the wrong thing.
    """
    found = []
    for i, (message, answer) in enumerate(rows):
        found.append(
            check_row(student, tokenize_row(student, chat, message, answer), i)
        )
    return found


def check_row(student: LoadedStudent, row: TokenRow, i: int) -> TokenRow:
    """An answer must have a token besides its end, and the row must fit the student's context."""
    allowed = getattr(student.model.config, "max_position_embeddings", None)
    if not set(row["answer"]) - student.ends:
        raise StudentError(
            f"row {i} has nothing to learn: all of its labels are masked",
            got=f"{describe_tokens(student, row['prompt'], last=True)} and then the answer "
            f"{describe_tokens(student, row['answer'])}",
            allowed="an answer of at least one token besides its end",
            fix="take the row out, or write its answer",
        )
    if allowed is not None and row_length(row) > allowed:
        raise StudentError(
            f"row {i} is longer than the student's context: its answer would be cut away",
            got=f"{len(row['prompt'])} tokens of prompt and {len(row['answer'])} of answer, "
            f"which begins with {describe_tokens(student, row['answer'])}",
            allowed=f"{allowed} tokens in all",
            fix="take the row out, or choose a student with a longer context",
        )
    return row


def schedule_rows(
    rows: Sequence[TokenRow], recipe: Recipe, seed: int
) -> list[TokenRow]:
    """Every row once an epoch in a shuffled order; within a step by length, so that micro-batches
    pad little.
    """
    order: list[TokenRow] = []
    for epoch in range(recipe.epochs):
        epoch_rows = list(rows)
        random.Random(f"{seed} {epoch}").shuffle(epoch_rows)
        order += epoch_rows
    steps = [
        order[i : i + recipe.rows_per_step]
        for i in range(0, len(order), recipe.rows_per_step)
    ]
    return [row for step in steps for row in sorted(step, key=row_length)]


def row_length(row: TokenRow) -> int:
    return len(row["prompt"]) + len(row["answer"])


def split_micro_batches(
    rows: Sequence[TokenRow], micro_tokens: int, pack: bool
) -> Iterator[list[TokenRow]]:
    """A step's rows, in their order, cut so that each part has at most micro_tokens tokens, its
    padding included.

    A row that is longer is alone.
    """
    part: list[TokenRow] = []
    for row in rows:
        if part and batch_tokens([*part, row], pack) > micro_tokens:
            yield part
            part = []
        part.append(row)
    if part:
        yield part


def batch_tokens(rows: Sequence[TokenRow], pack: bool) -> int:
    if pack:
        return sum(map(row_length, rows))
    return len(rows) * (
        max(len(r["prompt"]) for r in rows) + max(len(r["answer"]) for r in rows)
    )


def pad_batch(rows: Sequence[TokenRow]) -> dict[str, Any]:
    """A micro-batch of B padded rows: prompts end and completions begin at the same column.

    labels_B_K1 are aligned with the kept logits (one column earlier than the token they predict);
    its first column is a filler, because Trainer counts labels from the second column on.
    """
    import torch

    before, after = (
        max(len(r["prompt"]) for r in rows),
        max(len(r["answer"]) for r in rows),
    )
    ids, mask, labels = [], [], []
    for row in rows:
        left, right = before - len(row["prompt"]), after - len(row["answer"])
        ids.append([0] * left + row["prompt"] + row["answer"] + [0] * right)
        mask.append(
            [0] * left + [1] * (len(row["prompt"]) + len(row["answer"])) + [0] * right
        )
        labels.append([IGNORED_LABEL] + row["answer"] + [IGNORED_LABEL] * right)
    mask_B_T = torch.tensor(mask)
    keep_T = torch.zeros(before + after, dtype=torch.bool)
    keep_T[before - 1 : -1] = True
    return {
        "input_ids": torch.tensor(ids),
        "attention_mask": mask_B_T,
        "position_ids": (mask_B_T.cumsum(-1) - 1).clamp(min=0),
        "logits_to_keep": keep_T,
        "labels": torch.tensor(labels),
        "use_cache": False,
    }


def pack_batch(rows: Sequence[TokenRow]) -> dict[str, Any]:
    """A micro-batch of T tokens without padding: one row behind the other, positions counted from
    0 in each.

    No attention mask: attention is told the rows' lengths, and keeps them apart (apart.py). A
    row's last token predicts nothing and is left out. labels_K: the completions' tokens, aligned
    with the K kept positions.
    """
    import torch

    ids = [[*row["prompt"], *row["answer"][:-1]] for row in rows]
    keep_T = torch.zeros(sum(map(len, ids)), dtype=torch.bool)
    end = 0
    for row, tokens in zip(rows, ids, strict=True):
        end += len(tokens)
        keep_T[end - len(row["answer"]) : end] = True
    return {
        "input_ids": torch.tensor([token for row in ids for token in row])[None],
        "position_ids": torch.cat([torch.arange(len(row)) for row in ids])[None],
        "logits_to_keep": keep_T,
        "labels": torch.tensor([token for row in rows for token in row["answer"]]),
        "row_lengths": tuple(map(len, ids)),
        "use_cache": False,
    }
