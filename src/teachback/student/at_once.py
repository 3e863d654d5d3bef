"""How much is computed at once: on a CPU no more than its cache holds, on a GPU enough to keep it busy."""

from typing import Any

ON_GPU = 16  # times what is best on a CPU


def at_once(on_cpu: int, device: Any) -> int:
    """Tokens, positions or logits of a pass, by where it runs. device: torch's."""
    return on_cpu if device.type == "cpu" else on_cpu * ON_GPU
