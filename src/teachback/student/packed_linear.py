"""Linear layers with weights in oneDNN's blocked layout, for inference on a CPU.

They compute the same products in the same precision, without a new layout of the
weights for each product. Short batches gain most.
"""

from functools import cache
from typing import Any


def pack_linear_layers(model: Any) -> None:
    """Replace the model's plain linear layers, whose weights are dropped.

    Does nothing where oneDNN is missing. It breaks a model whose code reads a layer's
    weight by name: the caller has to try the packed model.
    """
    import torch

    available = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if not available or not hasattr(torch.ops.mkldnn, "_reorder_linear_weight"):
        return
    packed_class = packed_linear_class()
    for parent in list(model.modules()):
        for name, layer in list(parent.named_children()):
            if type(layer) is torch.nn.Linear and layer.weight.device.type == "cpu":
                setattr(parent, name, packed_class(layer))


@cache
def packed_linear_class() -> Any:
    """The layer's class, made at first use: importing this module loads no torch."""
    import torch

    class PackedLinear(torch.nn.Module):
        """y_…_N = x_…_K @ weight_N_K.T + bias_N.

        The weight is opaque: it can't be trained or saved.
        """

        def __init__(self, layer: Any) -> None:
            super().__init__()
            self.in_features = layer.in_features
            self.out_features = layer.out_features
            self.bias = layer.bias
            self.packed_weight = torch.ops.mkldnn._reorder_linear_weight(
                layer.weight.detach().contiguous()
            )

        def forward(self, x: Any) -> Any:
            return torch.ops.mkldnn._linear_pointwise(
                x, self.packed_weight, self.bias, "none", [], ""
            )

    return PackedLinear
