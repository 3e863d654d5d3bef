"""Linear layers with their weights in oneDNN's blocked layout: for inference on a CPU.

The same products in the same precision, without laying the weights out anew for each: it gains most in a short batch.
"""

from functools import cache
from typing import Any


def pack(model: Any) -> None:
    """Replace every plain linear layer of the model; its own weights are let go. Do nothing where it can't be done.

    A layer that somebody else's code reads the weights of by name would break: `load` runs the model once and says so.
    """
    import torch

    available = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if not available or not hasattr(torch.ops.mkldnn, "_reorder_linear_weight"):
        return
    kind = packed_linear()
    for parent in list(model.modules()):
        for name, layer in list(parent.named_children()):
            if type(layer) is torch.nn.Linear and layer.weight.device.type == "cpu":
                setattr(parent, name, kind(layer))


@cache
def packed_linear() -> Any:
    """The layer's class; torch is not imported before it is asked for."""
    import torch

    class PackedLinear(torch.nn.Module):
        """y_…_N = x_…_K @ weight_N_K.T + bias_N. The weight is opaque: it can neither be trained nor saved."""

        def __init__(self, layer: Any) -> None:
            super().__init__()
            self.in_features, self.out_features = layer.in_features, layer.out_features
            self.bias = layer.bias
            self.packed = torch.ops.mkldnn._reorder_linear_weight(
                layer.weight.detach().contiguous()
            )

        def forward(self, x: Any) -> Any:
            return torch.ops.mkldnn._linear_pointwise(
                x, self.packed, self.bias, "none", [], ""
            )

    return PackedLinear
