"""Decoding of a batch: what prompts share is read once, and so are equal prompts; a row that has ended leaves."""

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, groupby
from random import Random
from typing import Any, NamedTuple

from .cache import Held, Placed, closed_up, hold
from .frozen import Frozen, head
from .reading import forward, forward_from, padded, read_common
from .signals import Array, Signals, mean_nlls, signals
from .sketch import Sketch, Sums, new_sums

PREFILL_TOKENS = 768  # of prompts that are read together, padding included: on a CPU more is slower


class Sampling(NamedTuple):
    """temperature: above 0. draws: a stream for each question; each of its tokens takes one number from it."""

    temperature: float
    draws: Sequence[Random]


class Decoded(NamedTuple):
    """T tokens, the end token included when it was produced; ended: that, or a stop string.

    signals: of these tokens, arrays of T. embedding_D: the mean of what the head read for them. target_nll: the mean
    nll of the target's tokens, if there was one. gradient: the sketch of the head's gradient, if one was asked for.
    """

    tokens: list[int]
    ended: bool
    signals: Signals
    embedding_D: Array
    target_nll: float | None = None
    gradient_M: Array | None = None


class Running(NamedTuple):
    """The B rows that go on. rows: which prompts they answer. mask: which of all C columns hold tokens, now or later.

    position: of each row's first new token.
    """

    rows_B: Any
    mask_B_C: Any
    position_B: Any


class Log(NamedTuple):
    """What was decoded of N rows, at most T tokens each. sums: of the sketches of their gradients."""

    token_N_T: Any
    signals_N_T: Signals
    hidden_N_D: Any
    length_N: list[int]
    ended_N: list[bool]
    sums: Sums | None


def decode(
    student: Frozen,
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int,
    sampling: Sampling | None = None,
    stops: Callable[[list[int]], bool] | None = None,
    targets: Sequence[Sequence[int]] | None = None,
    sketch: Sketch | None = None,
) -> list[Decoded]:
    """An answer to each prompt, greedy without `sampling`. Equal prompts that stand side by side are read once.

    stops: of the tokens of an answer so far, whether it ends here. The signals are at temperature 1 in any case.
    targets: answers whose likelihood is asked for too, read in one pass with their prompts; empty: none. sketch: what
    the answers' gradients are wanted in.
    """
    import torch

    with torch.inference_mode():
        longest = max(map(len, prompts))
        held = hold(student.model.config, len(prompts), longest, longest + max_new_tokens)
        running = start(student, prompts, max_new_tokens)
        hidden_B_D, target_nlls = prefill(student, held, prompts, targets or [()] * len(prompts))
        log = new_log(hidden_B_D, max_new_tokens, sketch)
        for t in range(max_new_tokens):
            logits_B_V = head(student, hidden_B_D)
            token_B = choose(logits_B_V, sampling, running.rows_B)
            into = log.sums.at(running.rows_B) if log.sums else None
            note(log, t, running.rows_B, token_B, signals(logits_B_V, hidden_B_D, token_B, into), hidden_B_D)
            stay = closed_up(going_on(student, log, t, running.rows_B, token_B, stops))
            if not stay or t + 1 == max_new_tokens:
                break
            if len(stay) < len(token_B):
                stay_B = torch.tensor(stay, device=student.device)
                held.keep(stay, stay_B)
                running, token_B = Running(*(column[stay_B] for column in running)), token_B[stay_B]
            mask_B_C, position_B_1 = running.mask_B_C[:, : longest + t + 1], running.position_B[:, None] + t
            hidden_B_D = forward(student, held, token_B[:, None], mask_B_C, position_B_1)[:, 0]
        return [one._replace(target_nll=nll) for one, nll in zip(results(log), target_nlls, strict=True)]


def start(student: Frozen, prompts: Sequence[Sequence[int]], max_new_tokens: int) -> Running:
    import torch

    _, mask_B_T = padded(student, prompts, left=True)
    mask_B_C = torch.cat([mask_B_T, mask_B_T.new_ones(len(prompts), max_new_tokens)], dim=1)
    return Running(torch.arange(len(prompts), device=student.device), mask_B_C, mask_B_T.sum(-1))


class Read(NamedTuple):
    """A prompt, the target behind it, and for how many rows it is read."""

    prompt: Sequence[int]
    target: Sequence[int]
    copies: int


def prefill(
    student: Frozen, held: Held, prompts: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]
) -> tuple[Any, list[float | None]]:
    """hidden_B_D of the last token of each prompt, and the targets' mean nlls, of which equal ones are read once; so
    is what all prompts begin with."""
    import torch

    same = groupby(zip(prompts, targets, strict=True))
    distinct = [Read(prompt, target, len(list(rows))) for (prompt, target), rows in same]
    if held.extent is None:
        return prefill_whole(student, held, distinct)
    shared, hidden, nlls, first = read_common(student, held, [one.prompt for one in distinct]), [], [], 0
    for part in parts(distinct, shared):
        firsts = accumulate([one.copies for one in part], initial=first)
        held.extent.reading = [Placed(r, one.copies, len(one.prompt)) for r, one in zip(firsts, part, strict=False)]
        hidden_P_T_D = forward_from(student, held, [[*one.prompt, *one.target[:-1]][shared:] for one in part], shared)
        ends = [len(one.prompt) - shared - 1 for one in part]  # what is read there predicts the first token
        last_P_D = hidden_P_T_D[torch.arange(len(part)), ends]
        hidden += [last_D.expand(one.copies, -1) for last_D, one in zip(last_P_D, part, strict=True)]
        nlls += target_nlls(student, hidden_P_T_D, ends, part)
        first += sum(one.copies for one in part)
    held.extent.reading = None
    return torch.cat(hidden), nlls


def prefill_whole(student: Frozen, held: Held, distinct: Sequence[Read]) -> tuple[Any, list[float | None]]:
    """The same in one pass, padded on the left, and others for the targets: all that transformers' own cache can do."""
    import torch

    ids_P_T, mask_P_T = padded(student, [one.prompt for one in distinct], left=True)
    hidden_P_T_D = forward(student, held, ids_P_T, mask_P_T, (mask_P_T.cumsum(-1) - 1).clamp(min=0))
    row_B = torch.arange(len(distinct)).repeat_interleave(torch.tensor([o.copies for o in distinct])).to(student.device)
    if len(row_B) > len(distinct):
        held.past.reorder_cache(row_B)
    found: list[float | None] = []
    for part in parts(distinct, 0) if any(one.target for one in distinct) else []:
        hidden_Q_T_D = forward_from(student, None, [[*one.prompt, *one.target[:-1]] for one in part], 0)
        found += target_nlls(student, hidden_Q_T_D, [len(one.prompt) - 1 for one in part], part)
    return hidden_P_T_D[row_B, -1], found or [None] * len(row_B)


def target_nlls(student: Frozen, hidden_P_T_D: Any, ends: Sequence[int], part: Sequence[Read]) -> list[float | None]:
    """One a row. ends: the prompts' last columns."""
    import torch

    wanted = [(p, end, one.target) for p, (end, one) in enumerate(zip(ends, part, strict=True)) if one.target]
    if not wanted:
        return [None for one in part for _ in range(one.copies)]
    hidden_N_D = torch.cat([hidden_P_T_D[p, end : end + len(target)] for p, end, target in wanted])
    ids_N = torch.tensor([token for _, _, target in wanted for token in target], device=student.device)
    found = iter(mean_nlls(student, hidden_N_D, ids_N, [len(target) for _, _, target in wanted]))
    each = [next(found) if one.target else None for one in part]
    return [nll for nll, one in zip(each, part, strict=True) for _ in range(one.copies)]


def parts(distinct: Sequence[Read], shared: int) -> Iterator[list[Read]]:
    """What is read together: at most PREFILL_TOKENS with padding, or one."""
    part: list[Read] = []
    for one in distinct:
        longest = max(len(x.prompt) - shared + len(x.target) for x in [*part, one])
        if part and longest * (len(part) + 1) > PREFILL_TOKENS:
            yield part
            part = []
        part.append(one)
    yield part


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


def new_log(hidden_N_D: Any, max_new_tokens: int, sketch: Sketch | None) -> Log:
    import torch

    n, device = len(hidden_N_D), hidden_N_D.device
    token_N_T = torch.zeros(n, max_new_tokens, dtype=torch.long, device=device)
    signals_N_T = Signals(*(torch.zeros(n, max_new_tokens, device=device) for _ in Signals._fields))
    sums = new_sums(sketch, n) if sketch else None
    return Log(token_N_T, signals_N_T, torch.zeros_like(hidden_N_D, dtype=torch.float32), [0] * n, [False] * n, sums)


def note(log: Log, t: int, rows_B: Any, token_B: Any, signals_B: Signals, hidden_B_D: Any) -> None:
    """The B rows' t-th token."""
    log.token_N_T[rows_B, t] = token_B
    for kept_N_T, new_B in zip(log.signals_N_T, signals_B, strict=True):
        kept_N_T[rows_B, t] = new_B
    log.hidden_N_D[rows_B] += hidden_B_D.float()


def results(log: Log) -> list[Decoded]:
    token_N_T, hidden_N_D = log.token_N_T.tolist(), log.hidden_N_D.cpu().numpy()
    signals_N_T = [column.cpu().numpy() for column in log.signals_N_T]
    gradients = log.sums.means(log.length_N) if log.sums else [None] * len(token_N_T)
    each = [Signals(*(column[n, :length] for column in signals_N_T)) for n, length in enumerate(log.length_N)]
    rows = zip(token_N_T, log.length_N, log.ended_N, each, hidden_N_D, gradients, strict=True)
    return [
        Decoded(tokens[:length], ended, signals_T, hidden_D / length, gradient_M=gradient_M)
        for tokens, length, ended, signals_T, hidden_D, gradient_M in rows
    ]
