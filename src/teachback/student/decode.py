"""Decoding of a batch: what prompts share is read once, and so are equal prompts; a row that has ended leaves."""

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, groupby
from random import Random
from typing import Any, NamedTuple

from .cache import Held, Placed, closed_up, hold
from .frozen import Frozen, head
from .signals import Array, Signals, signals

PREFILL_TOKENS = 768  # of prompts that are read together, padding included: on a CPU more is slower
SHARED_TOKENS = 64  # spared, or what prompts begin with isn't worth a pass of its own


class Sampling(NamedTuple):
    """temperature: above 0. draws: a stream for each question; each of its tokens takes one number from it."""

    temperature: float
    draws: Sequence[Random]


class Decoded(NamedTuple):
    """T tokens, the end token included when it was produced; ended: that, or a stop string.

    signals: of these tokens, arrays of T. embedding_D: the mean of what the head read for them.
    """

    tokens: list[int]
    ended: bool
    signals: Signals
    embedding_D: Array


class Running(NamedTuple):
    """The B rows that go on. rows: which prompts they answer. mask: which of all C columns hold tokens, now or later.

    position: of each row's first new token.
    """

    rows_B: Any
    mask_B_C: Any
    position_B: Any


class Log(NamedTuple):
    """What was decoded of N rows, at most T tokens each."""

    token_N_T: Any
    signals_N_T: Signals
    hidden_N_D: Any
    length_N: list[int]
    ended_N: list[bool]


def decode(
    student: Frozen,
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int,
    sampling: Sampling | None = None,
    stops: Callable[[list[int]], bool] | None = None,
) -> list[Decoded]:
    """An answer to each prompt, greedy without `sampling`. Equal prompts that stand side by side are read once.

    stops: of the tokens of an answer so far, whether it ends here. The signals are at temperature 1 in any case.
    """
    import torch

    with torch.inference_mode():
        longest = max(map(len, prompts))
        held = hold(student.model.config, len(prompts), longest, longest + max_new_tokens)
        running, hidden_B_D = start(student, prompts, max_new_tokens), prefill(student, held, prompts)
        log = new_log(hidden_B_D, max_new_tokens)
        for t in range(max_new_tokens):
            logits_B_V = head(student, hidden_B_D)
            token_B = choose(logits_B_V, sampling, running.rows_B)
            note(log, t, running.rows_B, token_B, signals(logits_B_V, hidden_B_D, token_B), hidden_B_D)
            stay = closed_up(going_on(student, log, t, running.rows_B, token_B, stops))
            if not stay or t + 1 == max_new_tokens:
                break
            if len(stay) < len(token_B):
                stay_B = torch.tensor(stay, device=student.device)
                held.keep(stay, stay_B)
                running, token_B = Running(*(column[stay_B] for column in running)), token_B[stay_B]
            mask_B_C, position_B_1 = running.mask_B_C[:, : longest + t + 1], running.position_B[:, None] + t
            hidden_B_D = forward(student, held, token_B[:, None], mask_B_C, position_B_1)[:, 0]
        return results(log)


def start(student: Frozen, prompts: Sequence[Sequence[int]], max_new_tokens: int) -> Running:
    import torch

    _, mask_B_T = padded(student, prompts, left=True)
    mask_B_C = torch.cat([mask_B_T, mask_B_T.new_ones(len(prompts), max_new_tokens)], dim=1)
    return Running(torch.arange(len(prompts), device=student.device), mask_B_C, mask_B_T.sum(-1))


def prefill(student: Frozen, held: Held, prompts: Sequence[Sequence[int]]) -> Any:
    """hidden_B_D of the last token of each prompt, of which equal ones are read once; so is what all begin with."""
    import torch

    distinct = [(prompt, len(list(same))) for prompt, same in groupby(prompts)]
    if held.extent is None:
        return prefill_whole(student, held, distinct)
    shared, hidden, first = common([prompt for prompt, _ in distinct]), [], 0
    if shared:
        held.extent.reading = []
        read(student, held, [distinct[0][0][:shared]], 0)
    for part in parts(distinct, shared):
        firsts = accumulate([copies for _, copies in part], initial=first)
        held.extent.reading = [Placed(row, n, len(prompt)) for row, (prompt, n) in zip(firsts, part, strict=False)]
        hidden_P_D = read(student, held, [prompt[shared:] for prompt, _ in part], shared)
        copies_P = torch.tensor([copies for _, copies in part], device=student.device)
        hidden.append(hidden_P_D.repeat_interleave(copies_P, dim=0))
        first += len(hidden[-1])
    held.extent.reading = None
    return torch.cat(hidden)


def prefill_whole(student: Frozen, held: Held, distinct: Sequence[tuple[Sequence[int], int]]) -> Any:
    """The same in one pass, padded on the left: all that transformers' own cache can do."""
    import torch

    ids_P_T, mask_P_T = padded(student, [prompt for prompt, _ in distinct], left=True)
    hidden_P_T_D = forward(student, held, ids_P_T, mask_P_T, (mask_P_T.cumsum(-1) - 1).clamp(min=0))
    row_B = torch.arange(len(distinct)).repeat_interleave(torch.tensor([n for _, n in distinct])).to(student.device)
    if len(row_B) > len(distinct):
        held.past.reorder_cache(row_B)
    return hidden_P_T_D[row_B, -1]


def common(prompts: Sequence[Sequence[int]]) -> int:
    """How many tokens all prompts begin with, if reading them once spares enough; each keeps one of its own."""
    shortest = min(map(len, prompts)) - 1
    same = next((t for t in range(shortest) if len({prompt[t] for prompt in prompts}) > 1), shortest)
    return same if same * (len(prompts) - 1) >= SHARED_TOKENS else 0


def parts(distinct: Sequence[tuple[Sequence[int], int]], shared: int) -> Iterator[list[tuple[Sequence[int], int]]]:
    """Prompts, each with its number of copies, that are read together: at most PREFILL_TOKENS with padding, or one."""
    part: list[tuple[Sequence[int], int]] = []
    for one in distinct:
        longest = max(len(prompt) - shared for prompt, _ in [*part, one])
        if part and longest * (len(part) + 1) > PREFILL_TOKENS:
            yield part
            part = []
        part.append(one)
    yield part


def read(student: Frozen, held: Held, rows: Sequence[Sequence[int]], shared: int) -> Any:
    """hidden_P_D of the last token of each row, which goes on after `shared` tokens that were read.

    Padded on the right: what a row's tokens see stands in the columns before them, as it does when it is answered.
    """
    import torch

    ids_P_T, mask_P_T = padded(student, rows, left=False)
    P, T = ids_P_T.shape
    mask_P_C = torch.cat([mask_P_T.new_ones(P, shared), mask_P_T], dim=1)
    position_P_T = torch.arange(shared, shared + T, device=student.device).expand(P, T)
    hidden_P_T_D = forward(student, held, ids_P_T, mask_P_C, position_P_T)
    return hidden_P_T_D[torch.arange(P, device=student.device), mask_P_T.sum(-1) - 1]


def padded(student: Frozen, rows: Sequence[Sequence[int]], left: bool) -> tuple[Any, Any]:
    """ids_B_T and mask_B_T."""
    import torch

    longest, pad = max(map(len, rows)), min(student.ends)
    gaps = [longest - len(row) for row in rows]
    ids_B_T = [[*[pad] * gap, *row] if left else [*row, *[pad] * gap] for gap, row in zip(gaps, rows, strict=True)]
    mask_B_T = [[0] * gap + [1] * (longest - gap) if left else [1] * (longest - gap) + [0] * gap for gap in gaps]
    return torch.tensor(ids_B_T, device=student.device), torch.tensor(mask_B_T, device=student.device)


def forward(student: Frozen, held: Held, ids_B_T: Any, mask_B_C: Any, position_B_T: Any) -> Any:
    """hidden_B_T_D, which the head reads."""
    return student.decoder(
        input_ids=ids_B_T,
        attention_mask=mask_B_C,
        position_ids=position_B_T,
        past_key_values=held.past,
        use_cache=True,
    ).last_hidden_state


def choose(logits_B_V: Any, sampling: Sampling | None, rows_B: Any) -> Any:
    if sampling is None:
        return logits_B_V.argmax(-1)
    return sample(logits_B_V, sampling.temperature, [sampling.draws[row] for row in rows_B.tolist()])


def sample(logits_B_V: Any, temperature: float, draws: Sequence[Random]) -> Any:
    """token_B by the inverse of the distribution function: the first token at which it passes the row's own number.

    The sum runs in float64: in float32 it loses what tells rare tokens of a large vocabulary apart.
    """
    import torch

    sum_B_V = (logits_B_V / temperature).softmax(-1).double().cumsum(-1)
    number_B = torch.tensor([draw.random() for draw in draws], dtype=torch.float64, device=logits_B_V.device)
    token_B = torch.searchsorted(sum_B_V, (number_B * sum_B_V[:, -1])[:, None], right=True)[:, 0]
    return token_B.clamp(max=logits_B_V.shape[-1] - 1)


def going_on(
    student: Frozen, log: Log, t: int, rows_B: Any, token_B: Any, stops: Callable[[list[int]], bool] | None
) -> list[bool]:
    """Which of the B rows get another token. Enters in the log how long the others are."""
    running = []
    for row, token in zip(rows_B.tolist(), token_B.tolist(), strict=True):
        ended = token in student.ends or (stops is not None and stops(log.token_N_T[row, : t + 1].tolist()))
        log.length_N[row], log.ended_N[row] = t + 1, ended
        running.append(not ended)
    return running


def new_log(hidden_N_D: Any, max_new_tokens: int) -> Log:
    import torch

    n, device = len(hidden_N_D), hidden_N_D.device
    token_N_T = torch.zeros(n, max_new_tokens, dtype=torch.long, device=device)
    signals_N_T = Signals(*(torch.zeros(n, max_new_tokens, device=device) for _ in Signals._fields))
    return Log(token_N_T, signals_N_T, torch.zeros_like(hidden_N_D, dtype=torch.float32), [0] * n, [False] * n)


def note(log: Log, t: int, rows_B: Any, token_B: Any, signals_B: Signals, hidden_B_D: Any) -> None:
    """The B rows' t-th token."""
    log.token_N_T[rows_B, t] = token_B
    for kept_N_T, new_B in zip(log.signals_N_T, signals_B, strict=True):
        kept_N_T[rows_B, t] = new_B
    log.hidden_N_D[rows_B] += hidden_B_D.float()


def results(log: Log) -> list[Decoded]:
    token_N_T, hidden_N_D = log.token_N_T.tolist(), log.hidden_N_D.cpu().numpy()
    signals_N_T = [column.cpu().numpy() for column in log.signals_N_T]
    return [
        Decoded(token_N_T[n][:length], ended, Signals(*(column[n, :length] for column in signals_N_T)), hidden / length)
        for n, (length, ended, hidden) in enumerate(zip(log.length_N, log.ended_N, hidden_N_D, strict=True))
    ]
