"""What of a config makes two runs the same run, and what may differ from start to start (R3)."""

from typing import Any

from .config import Config
from .tree import find_value, set_value

# How an endpoint is reached, not what it says.
ENDPOINT_ROUTE = (
    "base_url",
    "key_env",
    "headers",
    "in_flight",
    "requests_per_minute",
    "tokens_per_minute",
    "tries",
    "deadline_s",
    "patience_s",
    "template_tokens",
)
ENDPOINT_SECTIONS = ("teacher", "verifier", "judge", "criterion")
# What an endpoint is asked with. It may change as long as nothing was bought with it.
REQUEST_KEYS = ("model", "cap_field", "options")
STUDENT_ROUTE = ("serve", "base_url", "served_model", *ENDPOINT_ROUTE, "ready_s")
# How long, how much, where, and how models are reached: not part of what is computed.
FREE_KEYS = (
    "rounds",
    "budget",
    "arms",
    "keep",
    "track",
    "run_dir",
    "machine",
    "prices",
    "about",
    *(f"{section}.{key}" for section in ENDPOINT_SECTIONS for key in ENDPOINT_ROUTE),
    *(f"student.{key}" for key in STUDENT_ROUTE),
)


def identify_config(config: Config) -> dict[str, object]:
    """What makes two runs the same run: the config without its free keys."""
    tree = config.model_dump(mode="json")
    for name in FREE_KEYS:
        section, _, key = name.rpartition(".")
        branch = find_value(tree, section) if section else tree
        if isinstance(branch, dict):
            branch.pop(key, None)
    if config.student.is_served:
        # Which server may change. That it is a server, and not this process, may not.
        tree = set_value(tree, ["student", "served"], True)
    return tree


def find_request_section(key: str) -> str | None:
    """The section whose requests a key of the config is part of: teacher.options.top_p → teacher.

    None: it is part of no endpoint's requests.
    """
    section, _, rest = key.partition(".")
    is_request = rest.partition(".")[0] in REQUEST_KEYS
    return section if section in ENDPOINT_SECTIONS and is_request else None


def list_free_settings(config: Config) -> dict[str, object]:
    """The free keys and their values, without run_dir."""
    tree = config.model_dump(mode="json")
    settings: dict[str, Any] = {}
    for name in FREE_KEYS:
        section, _, key = name.rpartition(".")
        branch = find_value(tree, section) if section else tree
        if name != "run_dir" and isinstance(branch, dict) and key in branch:
            settings = set_value(settings, name.split("."), branch[key])
    return settings
