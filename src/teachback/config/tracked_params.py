"""What trackers are told of a config."""

import os

from ..endpoints.redaction import redact_secrets
from ..run.files import flatten
from .config import Config

# They may hold what is not for others: commands, headers, the keys' names, this machine's folders.
PRIVATE_KEYS = ("serve", "headers", "key_env", "run_dir")


def list_tracked_params(config: Config) -> dict[str, str]:
    """The config by dotted key, as text, without what is not set.

    A config holds no key. Should one stand in it all the same, it is taken out.
    """
    secrets = list_secrets(config)
    params = {}
    for key, value in flatten(config.model_dump(mode="json")).items():
        is_private = any(part in PRIVATE_KEYS for part in key.split("."))
        if value not in (None, [], {}) and not is_private:
            params[key] = redact_secrets(str(value), secrets)
    return params


def list_secrets(config: Config) -> list[str]:
    """The keys that this config's endpoints take from the environment."""
    endpoints = config.endpoints_by_role().values()
    names = [config.student.key_env, *(endpoint.key_env for endpoint in endpoints)]
    return [os.environ[name] for name in names if name and name in os.environ]
