"""Rows as tokens, the order in which they are trained on, and a step's micro-batches."""

import random
from collections.abc import Iterator, Sequence
from typing import Any, TypedDict

from ...errors import StudentError
from ..batching import fill_batches, pad_rows
from ..chat import Chat, describe_tokens, row_ids
from ..context import find_context_length
from ..loading import LoadedStudent
from .recipe import Recipe

IGNORED_LABEL = -100  # what torch's cross entropy leaves out


class TokenRow(TypedDict):
    prompt: list[int]
    # With its end token.
    answer: list[int]


def tokenize_row(
    student: LoadedStudent, chat: Chat, message: str, answer: str
) -> TokenRow:
    prompt_tokens, answer_tokens = row_ids(student, chat, message, answer)
    return {"prompt": prompt_tokens, "answer": answer_tokens}


def tokenize_rows(
    student: LoadedStudent, chat: Chat, rows: Sequence[tuple[str, str]]
) -> list[TokenRow]:
    """The tokens of (message, answer) rows.

    Raises StudentError, with the tokens, for a row that would teach nothing or the wrong
    thing.
    """
    token_rows = []
    for i, (message, answer) in enumerate(rows):
        row = tokenize_row(student, chat, message, answer)
        check_row(student, row, i)
        token_rows.append(row)
    return token_rows


def check_row(student: LoadedStudent, row: TokenRow, i: int) -> None:
    """Raises StudentError for the i-th row, where training on it would be wrong.

    An answer must have a token besides its end, and the row must fit the student's
    context.
    """
    prompt, answer = row["prompt"], row["answer"]
    if not set(answer) - student.ends:
        raise StudentError(
            f"row {i} has nothing to learn: all of its labels are masked",
            got=f"{describe_tokens(student, prompt, last=True)} and then the answer "
            f"{describe_tokens(student, answer)}",
            allowed="an answer of at least one token besides its end",
            fix="take the row out, or write its answer",
        )
    max_tokens = find_context_length(student.model.config)
    if max_tokens is not None and row_length(row) > max_tokens:
        raise StudentError(
            f"row {i} is longer than the student's context: its answer would be cut away",
            got=f"{len(prompt)} tokens of prompt and {len(answer)} of answer, "
            f"which begins with {describe_tokens(student, answer)}",
            allowed=f"{max_tokens} tokens in all",
            fix="take the row out, or choose a student with a longer context",
        )


def schedule_rows(
    rows: Sequence[TokenRow], recipe: Recipe, seed: int
) -> list[TokenRow]:
    """All epochs' rows, in the order of training: each epoch has every row, shuffled.

    A step's rows are sorted by length, so that micro-batches have little padding.
    """
    order: list[TokenRow] = []
    for epoch in range(recipe.epochs):
        epoch_rows = list(rows)
        random.Random(f"{seed} {epoch}").shuffle(epoch_rows)
        order += epoch_rows

    schedule = []
    for start in range(0, len(order), recipe.rows_per_step):
        step_rows = order[start : start + recipe.rows_per_step]
        schedule += sorted(step_rows, key=row_length)
    return schedule


def row_length(row: TokenRow) -> int:
    return len(row["prompt"]) + len(row["answer"])


def split_micro_batches(
    rows: Sequence[TokenRow], micro_tokens: int, pack: bool
) -> Iterator[list[TokenRow]]:
    """A step's rows in micro-batches, in their order.

    A micro-batch has at most micro_tokens tokens, padding included, or one row.
    """

    def too_large(batch: Sequence[TokenRow]) -> bool:
        return count_batch_tokens(batch, pack) > micro_tokens

    return fill_batches(rows, too_large)


def count_batch_tokens(rows: Sequence[TokenRow], pack: bool) -> int:
    """Tokens of a micro-batch, padding included."""
    if pack:
        return sum(map(row_length, rows))
    longest_prompt = max(len(row["prompt"]) for row in rows)
    longest_answer = max(len(row["answer"]) for row in rows)
    return len(rows) * (longest_prompt + longest_answer)


def pad_batch(rows: Sequence[TokenRow]) -> dict[str, Any]:
    """The model's inputs for B padded rows: all answers begin at the same column.

    labels_B_K1 belong to the kept logits, which are one column earlier than the token
    that they predict. Its first column is a filler, because Trainer counts labels from
    the second column on.
    """
    import torch

    prompts = [row["prompt"] for row in rows]
    answers = [row["answer"] for row in rows]
    prompt_B_P, prompt_mask_B_P = pad_rows(prompts, 0, left=True)
    answer_B_K, answer_mask_B_K = pad_rows(answers, 0)
    mask_B_T = torch.cat([prompt_mask_B_P, answer_mask_B_K], dim=1)

    # The answers' tokens are predicted from one column earlier.
    keep_T = torch.zeros(mask_B_T.shape[1], dtype=torch.bool)
    keep_T[prompt_B_P.shape[1] - 1 : -1] = True
    labels = [[IGNORED_LABEL, *answer] for answer in answers]
    labels_B_K1, _ = pad_rows(labels, IGNORED_LABEL)
    return {
        "input_ids": torch.cat([prompt_B_P, answer_B_K], dim=1),
        "attention_mask": mask_B_T,
        "position_ids": (mask_B_T.cumsum(-1) - 1).clamp(min=0),
        "logits_to_keep": keep_T,
        "labels": labels_B_K1,
        "use_cache": False,
    }


def pack_batch(rows: Sequence[TokenRow]) -> dict[str, Any]:
    """The model's inputs for rows that stand one after the other, T tokens in all.

    Positions are counted from 0 in each row. There is no attention mask: attention gets
    the rows' lengths, and keeps the rows apart (packed_attention.py). labels_K belong to
    the K kept positions.
    """
    import torch

    # A row's last token predicts nothing and is left out.
    ids = [[*row["prompt"], *row["answer"][:-1]] for row in rows]
    keep_T = torch.zeros(sum(map(len, ids)), dtype=torch.bool)
    end = 0
    for row, row_tokens in zip(rows, ids, strict=True):
        end += len(row_tokens)
        keep_T[end - len(row["answer"]) : end] = True
    return {
        "input_ids": torch.tensor([token for row in ids for token in row])[None],
        "position_ids": torch.cat([torch.arange(len(row)) for row in ids])[None],
        "logits_to_keep": keep_T,
        "labels": torch.tensor([token for row in rows for token in row["answer"]]),
        "row_lengths": tuple(map(len, ids)),
        "use_cache": False,
    }
