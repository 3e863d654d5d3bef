"""The linear layers that no adapter can be put on."""

from typing import Any

# peft refuses adapters on the layers of these kinds whose weights are read by name.
MAMBA_TYPES = frozenset({"falcon_h1", "falcon_mamba", "mamba", "mamba2", "nemotron_h"})
MAMBA_LAYERS = ["conv1d", "out_proj"]


def list_unadaptable(model: Any) -> list[str]:
    """The names, or ends of names, of layers that keep their weights under LoRA.

    A router that returns more than a tensor can't have an adapter's output added to it.
    """
    import torch

    names = [
        name
        for name, layer in model.named_modules()
        if isinstance(layer, torch.nn.Linear) and not returns_tensor(layer)
    ]
    if model.config.model_type in MAMBA_TYPES:
        names += MAMBA_LAYERS
    return names


def returns_tensor(layer: Any) -> bool:
    """Whether a linear layer returns a tensor only, as torch's own does."""
    import torch

    if type(layer).forward is torch.nn.Linear.forward:
        return True
    weight = layer.weight
    x_1_D = torch.zeros(1, layer.in_features, dtype=weight.dtype, device=weight.device)
    try:
        with torch.no_grad():
            return isinstance(layer(x_1_D), torch.Tensor)
    # Of the layer's own code, which wants more than one argument.
    except Exception:
        return True
