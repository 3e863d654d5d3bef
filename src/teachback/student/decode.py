"""Decoding of a batch: what prompts share is read once, and so are equal prompts; a row that has ended leaves."""

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, groupby, repeat
from random import Random
from typing import Any, NamedTuple

from .at_once import at_once
from .cache import Held, Placed, closed_up, hold
from .frozen import Frozen, head
from .reading import forward, forward_from, padded, read_common
from .signals import Array, Signals, blocks, nll_only, signals
from .sketch import Sketch, Sums, new_sums

PREFILL_TOKENS = (
    768  # of prompts that are read together, padding included: on a CPU more is slower
)


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
        held = hold(
            student.model.config, len(prompts), longest, longest + max_new_tokens
        )
        running = start(student, prompts, max_new_tokens)
        most = (
            max_new_tokens
            if sampling is None and stops is None and sketch is None
            else 0
        )
        hidden_B_D, aimed = prefill(
            student, held, prompts, targets or [()] * len(prompts), most
        )
        log = new_log(hidden_B_D, max_new_tokens, sketch)
        left = closed_up([not one.known for one in aimed])
        for row, one in enumerate(aimed):
            if one.known:
                enter(log, row, one)
        running, hidden_B_D = narrowed(student, held, running, hidden_B_D, left)
        for t in range(max_new_tokens if left else 0):
            logits_B_V = head(student, hidden_B_D)
            token_B = choose(logits_B_V, sampling, running.rows_B)
            into = log.sums.at(running.rows_B) if log.sums else None
            note(
                log,
                t,
                running.rows_B,
                token_B,
                signals(logits_B_V, hidden_B_D, token_B, into),
                hidden_B_D,
            )
            stay = closed_up(going_on(student, log, t, running.rows_B, token_B, stops))
            if not stay or t + 1 == max_new_tokens:
                break
            running, token_B = narrowed(student, held, running, token_B, stay)
            mask_B_C, position_B_1 = (
                running.mask_B_C[:, : longest + t + 1],
                running.position_B[:, None] + t,
            )
            hidden_B_D = forward(
                student, held, token_B[:, None], mask_B_C, position_B_1
            )[:, 0]
        return [
            one._replace(target_nll=aim.nll)
            for one, aim in zip(results(log), aimed, strict=True)
        ]


def narrowed(
    student: Frozen, held: Held, running: Running, each_B: Any, stay: list[int]
) -> tuple[Running, Any]:
    """Only the rows `stay` go on; each_B: something else of the rows."""
    import torch

    if not stay or len(stay) == len(each_B):
        return running, each_B
    stay_B = torch.tensor(stay, dtype=torch.long, device=student.device)
    held.keep(stay, stay_B)
    return Running(*(column[stay_B] for column in running)), each_B[stay_B]


def start(
    student: Frozen, prompts: Sequence[Sequence[int]], max_new_tokens: int
) -> Running:
    import torch

    _, mask_B_T = padded(student, prompts, left=True)
    mask_B_C = torch.cat(
        [mask_B_T, mask_B_T.new_ones(len(prompts), max_new_tokens)], dim=1
    )
    return Running(
        torch.arange(len(prompts), device=student.device), mask_B_C, mask_B_T.sum(-1)
    )


class Aimed(NamedTuple):
    """Of a row's target, if it has one: its mean nll; and, where each of its T tokens is the one that the student would
    have chosen, so that the greedy answer is known without decoding it: the tokens, their signals, what the head read.
    """

    nll: float | None = None
    ids_T: Any = None
    signals_T: Signals | None = None
    hidden_T_D: Any = None

    @property
    def known(self) -> bool:
        return self.signals_T is not None


class Read(NamedTuple):
    """A prompt, the target behind it, and for how many rows it is read."""

    prompt: Sequence[int]
    target: Sequence[int]
    copies: int


def prefill(
    student: Frozen,
    held: Held,
    prompts: Sequence[Sequence[int]],
    targets: Sequence[Sequence[int]],
    most: int,
) -> tuple[Any, list[Aimed]]:
    """hidden_B_D of the last token of each prompt, and what the student makes of the targets. Equal prompts are read
    once; so is what all prompts begin with. most: tokens of a target that may stand for its answer."""
    import torch

    same = groupby(zip(prompts, targets, strict=True))
    distinct = [
        Read(prompt, target, len(list(rows))) for (prompt, target), rows in same
    ]
    if held.extent is None:
        return prefill_whole(student, held, distinct, most)
    shared, hidden, aimed, first = (
        read_common(student, held, [one.prompt for one in distinct]),
        [],
        [],
        0,
    )
    for part in parts(distinct, shared, student.device):
        firsts = accumulate([one.copies for one in part], initial=first)
        held.extent.reading = [
            Placed(r, one.copies, len(one.prompt))
            for r, one in zip(firsts, part, strict=False)
        ]
        hidden_P_T_D = forward_from(
            student,
            held,
            [[*one.prompt, *one.target[:-1]][shared:] for one in part],
            shared,
        )
        ends = [
            len(one.prompt) - shared - 1 for one in part
        ]  # what is read there predicts the first token
        last_P_D = hidden_P_T_D[torch.arange(len(part)), ends]
        hidden += [
            last_D.expand(one.copies, -1)
            for last_D, one in zip(last_P_D, part, strict=True)
        ]
        aimed += aims(student, hidden_P_T_D, ends, part, most)
        first += sum(one.copies for one in part)
    held.extent.reading = None
    return torch.cat(hidden), aimed


def prefill_whole(
    student: Frozen, held: Held, distinct: Sequence[Read], most: int
) -> tuple[Any, list[Aimed]]:
    """The same in passes for the targets, and one for the prompts whose answers are not known then, padded on the left:
    all that transformers' own cache can do. It holds as many rows as there are; those that are known, anything."""
    import torch

    aimed: list[Aimed] = []
    for part in (
        parts(distinct, 0, student.device)
        if any(one.target for one in distinct)
        else []
    ):
        hidden_Q_T_D = forward_from(
            student, None, [[*one.prompt, *one.target[:-1]] for one in part], 0
        )
        aimed += aims(
            student, hidden_Q_T_D, [len(one.prompt) - 1 for one in part], part, most
        )
    copies = [p for p, one in enumerate(distinct) for _ in range(one.copies)]
    aimed = aimed or [Aimed()] * len(copies)
    open_ = sorted(
        {p for p, aim in zip(copies, aimed, strict=True) if not aim.known}
    ) or [0]
    ids_P_T, mask_P_T = padded(
        student, [prompt.prompt for prompt in distinct], left=True
    )
    ids_O_T, mask_O_T = ids_P_T[open_], mask_P_T[open_]
    hidden_O_T_D = forward(
        student, held, ids_O_T, mask_O_T, (mask_O_T.cumsum(-1) - 1).clamp(min=0)
    )
    place = {p: o for o, p in enumerate(open_)}
    row_B = torch.tensor([place.get(p, 0) for p in copies], device=student.device)
    if row_B.tolist() != list(range(len(open_))):
        held.past.reorder_cache(row_B)
    return hidden_O_T_D[row_B, -1], aimed


def aims(
    student: Frozen,
    hidden_P_T_D: Any,
    ends: Sequence[int],
    part: Sequence[Read],
    most: int,
) -> list[Aimed]:
    """One a row. ends: the prompts' last columns."""
    import torch

    wanted = [
        (p, end, one.target)
        for p, (end, one) in enumerate(zip(ends, part, strict=True))
        if one.target
    ]
    hidden = [hidden_P_T_D[p, end : end + len(target)] for p, end, target in wanted]
    ids = [torch.tensor(list(target), device=student.device) for _, _, target in wanted]
    found = iter(
        Aimed(nll, ids_T, chosen_signals(student, h, ids_T), h)
        if chosen and len(ids_T) <= most and ends_once(student, ids_T)
        else Aimed(nll)
        for (nll, chosen), ids_T, h in zip(
            nlls_and_chosen(student, hidden, ids), ids, hidden, strict=True
        )
    )
    each = [next(found) if one.target else Aimed() for one in part]
    return [aim for aim, one in zip(each, part, strict=True) for _ in range(one.copies)]


def nlls_and_chosen(
    student: Frozen, hidden: Sequence[Any], ids: Sequence[Any]
) -> list[tuple[float, bool]]:
    """Of each target its mean nll, and whether each of its tokens is the likeliest one."""
    import torch

    if not ids:
        return []
    hidden_N_D, ids_N, chosen, nlls = (
        torch.cat(list(hidden)),
        torch.cat(list(ids)),
        [],
        [],
    )
    for h, wanted in blocks(hidden_N_D, ids_N):
        logits_B_V = head(student, h)
        nlls.append(nll_only(logits_B_V, wanted).double())
        chosen.append(logits_B_V.argmax(-1) == wanted)
    lengths = [len(ids_T) for ids_T in ids]
    each = zip(
        torch.split(torch.cat(nlls), lengths),
        torch.split(torch.cat(chosen), lengths),
        strict=True,
    )
    return [(float(nll_T.mean()), bool(chosen_T.all())) for nll_T, chosen_T in each]


def ends_once(student: Frozen, ids_T: Any) -> bool:
    """With its last token."""
    *others, last = [token in student.ends for token in ids_T.tolist()]
    return last and not any(others)


def chosen_signals(student: Frozen, hidden_T_D: Any, ids_T: Any) -> Signals:
    import torch

    each = [signals(head(student, h), h, ids) for h, ids in blocks(hidden_T_D, ids_T)]
    return Signals(*(torch.cat(column) for column in zip(*each, strict=True)))


def enter(log: Log, row: int, aim: Aimed) -> None:
    """Enters a row whose answer is known to be its target in the log."""
    size = len(aim.ids_T)
    log.token_N_T[row, :size] = aim.ids_T
    for kept_N_T, new_T in zip(log.signals_N_T, aim.signals_T or (), strict=True):
        kept_N_T[row, :size] = new_T
    log.hidden_N_D[row] = aim.hidden_T_D.float().sum(0)
    log.length_N[row], log.ended_N[row] = size, True


def parts(distinct: Sequence[Read], shared: int, device: Any) -> Iterator[list[Read]]:
    """What is read together: at most PREFILL_TOKENS with padding (on a GPU more), or one."""
    part: list[Read] = []
    most = at_once(PREFILL_TOKENS, device)
    for one in distinct:
        longest = max(len(x.prompt) - shared + len(x.target) for x in [*part, one])
        if part and longest * (len(part) + 1) > most:
            yield part
            part = []
        part.append(one)
    yield part


def choose(logits_B_V: Any, sampling: Sampling | None, rows_B: Any) -> Any:
    if sampling is None:
        return logits_B_V.argmax(-1)
    return sample(
        logits_B_V,
        sampling.temperature,
        [sampling.draws[row] for row in rows_B.tolist()],
    )


def sample(logits_B_V: Any, temperature: float, draws: Sequence[Random]) -> Any:
    """token_B by the inverse of the distribution function: the first token at which it passes the row's own number.

    The sum runs in float64: in float32 it loses what tells rare tokens of a large vocabulary apart.
    """
    import torch

    sum_B_V = (logits_B_V / temperature).softmax(-1).double().cumsum(-1)
    number_B = torch.tensor(
        [draw.random() for draw in draws], dtype=torch.float64, device=logits_B_V.device
    )
    token_B = torch.searchsorted(
        sum_B_V, (number_B * sum_B_V[:, -1])[:, None], right=True
    )[:, 0]
    return token_B.clamp(max=logits_B_V.shape[-1] - 1)


def going_on(
    student: Frozen,
    log: Log,
    t: int,
    rows_B: Any,
    token_B: Any,
    stops: Callable[[list[int]], bool] | None,
) -> list[bool]:
    """Which of the B rows get another token. Enters in the log how long the others are."""
    running = []
    so_far = (
        repeat([]) if stops is None else log.token_N_T[rows_B, : t + 1].tolist()
    )  # all at once: a GPU waits once
    for row, token, tokens in zip(
        rows_B.tolist(), token_B.tolist(), so_far, strict=False
    ):
        ended = token in student.ends or (stops is not None and stops(tokens))
        log.length_N[row], log.ended_N[row] = t + 1, ended
        running.append(not ended)
    return running


def new_log(hidden_N_D: Any, max_new_tokens: int, sketch: Sketch | None) -> Log:
    import torch

    n, device = len(hidden_N_D), hidden_N_D.device
    token_N_T = torch.zeros(n, max_new_tokens, dtype=torch.long, device=device)
    signals_N_T = Signals(
        *(torch.zeros(n, max_new_tokens, device=device) for _ in Signals._fields)
    )
    sums = new_sums(sketch, n) if sketch else None
    return Log(
        token_N_T,
        signals_N_T,
        torch.zeros_like(hidden_N_D, dtype=torch.float32),
        [0] * n,
        [False] * n,
        sums,
    )


def note(
    log: Log, t: int, rows_B: Any, token_B: Any, signals_B: Signals, hidden_B_D: Any
) -> None:
    """The B rows' t-th token."""
    log.token_N_T[rows_B, t] = token_B
    for kept_N_T, new_B in zip(log.signals_N_T, signals_B, strict=True):
        kept_N_T[rows_B, t] = new_B
    log.hidden_N_D[rows_B] += hidden_B_D.float()


def results(log: Log) -> list[Decoded]:
    token_N_T, hidden_N_D = log.token_N_T.tolist(), log.hidden_N_D.cpu().numpy()
    signals_N_T = [column.cpu().numpy() for column in log.signals_N_T]
    gradients = log.sums.means(log.length_N) if log.sums else [None] * len(token_N_T)
    each = [
        Signals(*(column[n, :length] for column in signals_N_T))
        for n, length in enumerate(log.length_N)
    ]
    rows = zip(
        token_N_T, log.length_N, log.ended_N, each, hidden_N_D, gradients, strict=True
    )
    return [
        Decoded(
            tokens[:length], ended, signals_T, hidden_D / length, gradient_M=gradient_M
        )
        for tokens, length, ended, signals_T, hidden_D, gradient_M in rows
    ]
