"""transformers' `generate` with tokens that are chosen outside of it.

It only carries the model's state from token to token.
"""

from collections.abc import Callable, Sequence
from typing import Any


def run_generate(
    model: Any,
    decoder: Any,
    ids_B_T: Any,
    mask_B_T: Any,
    max_new_tokens: int,
    *,
    choose: Callable[[Any], Any],
    is_done: Callable[[], Sequence[bool]],
    use_cache: bool,
) -> None:
    """Add up to max_new_tokens tokens to each row, until all are done.

    choose(hidden_B_D) returns token_B; hidden: of the rows' last tokens. use_cache: the
    model keeps its own state; otherwise each token reads the whole row again.
    """
    import torch
    from transformers import GenerationConfig

    hidden: list[Any] = []

    def choose_next(input_ids: Any, scores_B_V: Any) -> Any:
        token_B = choose(hidden.pop())
        only_B_V = torch.full_like(scores_B_V, -float("inf"))
        return only_B_V.scatter(1, token_B[:, None], 0.0)

    def has_ended(input_ids: Any, scores: Any, **kwargs: Any) -> Any:
        return torch.tensor(is_done(), device=ids_B_T.device)

    def keep_hidden(module: Any, inputs: Any, output: Any) -> Any:
        hidden[:] = [output.last_hidden_state[:, -1]]
        # The head is in float32 at any precision.
        output.last_hidden_state = output.last_hidden_state.float()
        return output

    own_config = model.generation_config
    # Nothing of the folder's generation config, such as a repetition penalty.
    model.generation_config = GenerationConfig()
    hook = decoder.register_forward_hook(keep_hidden)
    try:
        model.generate(
            ids_B_T,
            attention_mask=mask_B_T,
            max_new_tokens=max_new_tokens,
            do_sample=False,
            use_cache=use_cache,
            pad_token_id=0,
            logits_processor=[choose_next],
            stopping_criteria=[has_ended],
        )
    finally:
        hook.remove()
        model.generation_config = own_config
