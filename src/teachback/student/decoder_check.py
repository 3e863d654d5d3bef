"""How a model's decoder may be used: tried on short rows when a student is loaded.

Attempts keep keys and values of their own, and pad prompts on the left. A model that keeps
another state may ignore both, silently. Its answers would then be another student's.
"""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from .batching import pad_rows
from .cache_state import CachedPrompt
from .generate_loop import run_generate
from .kv_cache import make_kv_cache

# How far a padded row's states may be off, as a share of the largest: by rounding.
MAX_PADDING_ERROR = 1e-3
# The same for states that were decoded from a cache. Recurrent layers compute them in
# another way than one pass does, and may differ by a percent.
MAX_CACHE_ERROR = 0.05
LONG_ROW_TOKENS = 12
SHORT_ROW_TOKENS = 5


class DecoderAbilities(NamedTuple):
    """What a decoder gets right."""

    # ours: attempts go on from our keys and values. own: transformers' `generate` decodes, with
    # the state that the model keeps. none: it decodes, and each token reads the whole row again.
    cache: Literal["ours", "own", "none"] = "ours"
    # A row beside a longer one is what it is alone. If not, a batch has prompts of one length.
    takes_padding: bool = True

    def describe_limits(self) -> str | None:
        """What is done in another way for this model, in words; None: nothing."""
        parts = []
        if self.cache != "ours":
            parts.append(
                "the model keeps a state of its own: transformers' generate makes its attempts, "
                "which takes longer"
            )
        if self.cache == "none":
            parts.append(
                "that state is not right: each token reads the whole text again"
            )
        if not self.takes_padding:
            parts.append(
                "padding changes the model's answers: only prompts of one length share a batch"
            )
        return "; ".join(parts) or None


ALL_ABILITIES = DecoderAbilities()


def trial_rows(model: Any) -> list[list[int]]:
    """A long row and a short one. Any tokens do, as long as they are the same each time."""
    vocabulary = model.get_input_embeddings().weight.shape[0]
    n_tokens = LONG_ROW_TOKENS + SHORT_ROW_TOKENS
    tokens = [(11 * i + 3) % vocabulary for i in range(n_tokens)]
    return [tokens[:LONG_ROW_TOKENS], tokens[LONG_ROW_TOKENS:]]


def find_abilities(
    model: Any, decoder: Any, device: Any, alone_B_D: Any
) -> DecoderAbilities:
    """Try a model in float32. alone_B_D: as `read_alone` gives for the trial rows."""
    rows = trial_rows(decoder)
    for cache in ("ours", "own"):

        def decode(batch: Sequence[Sequence[int]], cache: str = cache) -> Any:
            return decode_last(model, decoder, batch, device, uses_ours=cache == "ours")

        together_B_D = decode(rows)
        if relative_error(together_B_D, alone_B_D) <= MAX_PADDING_ERROR:
            return DecoderAbilities(cache)
        cached = [decode([row]) for row in rows]
        errors = [
            relative_error(cached_1_D, alone_D[None])
            for cached_1_D, alone_D in zip(cached, alone_B_D, strict=True)
        ]
        if max(errors) <= MAX_CACHE_ERROR:
            # The short row is the padded one.
            short_1_D = None if together_B_D is None else together_B_D[1:]
            padding_error = relative_error(short_1_D, cached[1])
            return DecoderAbilities(cache, padding_error <= MAX_PADDING_ERROR)

    padded_B_D = read_padded(decoder, rows, device)
    padding_error = relative_error(padded_B_D, alone_B_D)
    return DecoderAbilities("none", padding_error <= MAX_PADDING_ERROR)


def relative_error(states_B_D: Any, expected_B_D: Any) -> float:
    """The largest error as a share of the largest state; infinite where there are none."""
    if states_B_D is None or states_B_D.shape != expected_B_D.shape:
        return float("inf")
    error = (states_B_D - expected_B_D).abs().max().item()
    share = error / max(expected_B_D.abs().max().item(), 1e-9)
    # NaN is no agreement.
    return share if share >= 0 else float("inf")


def read_alone(decoder: Any, rows: Sequence[Sequence[int]], device: Any) -> Any:
    """hidden_B_D of each row's last token, read in one pass without padding or cache."""
    import torch

    last = []
    for row in rows:
        ids_1_T = torch.tensor([list(row)], device=device)
        output = decoder(input_ids=ids_1_T, use_cache=False)
        last.append(output.last_hidden_state[:, -1])
    return torch.cat(last)


def read_padded(decoder: Any, rows: Sequence[Sequence[int]], device: Any) -> Any:
    """The same in one pass, with padding on the left; None where the model can't do it."""
    ids_B_T, mask_B_T = pad_on_device(rows, device, left=True)
    try:
        output = decoder(
            input_ids=ids_B_T,
            attention_mask=mask_B_T,
            position_ids=(mask_B_T.cumsum(-1) - 1).clamp(min=0),
            use_cache=False,
        )
    # Of the model's own code, whatever it dislikes.
    except Exception:
        return None
    return output.last_hidden_state[:, -1]


def decode_last(
    model: Any,
    decoder: Any,
    rows: Sequence[Sequence[int]],
    device: Any,
    *,
    uses_ours: bool,
) -> Any:
    """The same, with each last token decoded as in attempts: from a state of the others.

    None where the model can't do it.
    """
    try:
        if uses_ours:
            return decode_from_cache(decoder, model.config, rows, device)
        return decode_by_generate(model, decoder, rows, device)
    # Of the model's own code, which may refuse the cache or stumble over it.
    except Exception:
        return None


def decode_by_generate(
    model: Any, decoder: Any, rows: Sequence[Sequence[int]], device: Any
) -> Any:
    """The last two tokens of each row are decoded."""
    import torch

    ids_B_T, mask_B_T = pad_on_device([row[:-2] for row in rows], device, left=True)
    hidden = []

    def choose(hidden_B_D: Any) -> Any:
        hidden.append(hidden_B_D)
        place = min(len(hidden), 2) - 3
        return torch.tensor([row[place] for row in rows], device=device)

    run_generate(
        model,
        decoder,
        ids_B_T,
        mask_B_T,
        3,
        choose=choose,
        is_done=lambda: [len(hidden) == 3] * len(rows),
        use_cache=True,
    )
    return hidden[-1]


def decode_from_cache(
    decoder: Any, config: Any, rows: Sequence[Sequence[int]], device: Any
) -> Any:
    import torch

    prompts = [row[:-1] for row in rows]
    longest = max(map(len, prompts))
    cache = make_kv_cache(config, len(rows), longest, longest + 1)
    is_shared = cache.state is not None
    ids_B_T, mask_B_T = pad_on_device(prompts, device, left=not is_shared)
    if cache.state is not None:
        cache.state.prompts = [
            CachedPrompt(i, 1, len(prompt)) for i, prompt in enumerate(prompts)
        ]
    decoder(
        input_ids=ids_B_T,
        attention_mask=mask_B_T,
        position_ids=(mask_B_T.cumsum(-1) - 1).clamp(min=0),
        past_key_values=cache.past,
        use_cache=True,
    )
    if cache.state is not None:
        cache.state.prompts = None

    _, mask_B_C = pad_on_device(rows, device, left=True)
    output = decoder(
        input_ids=torch.tensor([[row[-1]] for row in rows], device=device),
        attention_mask=mask_B_C,
        position_ids=mask_B_C.sum(-1, keepdim=True) - 1,
        past_key_values=cache.past,
        use_cache=True,
    )
    return output.last_hidden_state[:, -1]


def pad_on_device(
    rows: Sequence[Sequence[int]], device: Any, *, left: bool
) -> tuple[Any, Any]:
    ids_B_T, mask_B_T = pad_rows(rows, 0, left=left)
    return ids_B_T.to(device), mask_B_T.to(device)
