"""Headers of a user's own, sent with every request. Secrets in them come from the environment."""

import os
import re
from collections.abc import Mapping
from typing import NamedTuple

from ..errors import ConfigError

CREDENTIAL_NAME = re.compile(
    r"(api|access|secret|private|subscription)[-_]?key"
    r"|authorization|password|secret|credential|bearer"
    r"|^(\w+[-_])?(api|access|auth|hf|session|refresh|id)[-_]?token$|^token$|^key$",
    re.IGNORECASE,
)
# `${NAME}` in a value stands for an environment variable.
ENV_REFERENCE = re.compile(r"\$\{(\w+)\}")
# RFC 9110, 5.6.2.
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
CREDENTIAL_VALUE = re.compile(
    r"^(bearer|basic|token|key)\s|^(sk|hf|gsk|xai)[-_]", re.IGNORECASE
)
# They say how a request is framed, which is the client's affair.
RESERVED_HEADERS = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


class FilledHeaders(NamedTuple):
    headers: dict[str, str]
    # What came from the environment: it is taken out of every reply and error.
    secrets: tuple[str, ...]


def check_headers(headers: Mapping[str, str], key_env: str | None) -> None:
    """Raises ConfigError for a header that can't be sent, or that would keep a secret on disk.

    A message names the header and never shows its value.
    """
    for name, value in headers.items():
        if not HEADER_NAME.fullmatch(name):
            raise ConfigError(
                "headers of the endpoint hold a name that is none",
                got=repr(name),
                allowed="letters, digits and -",
            )
        if name.lower() in RESERVED_HEADERS:
            raise ConfigError(
                "headers of the endpoint",
                got=name,
                allowed=f"any but {', '.join(sorted(RESERVED_HEADERS))}",
            )
        if name.lower() == "authorization" and key_env is not None:
            raise ConfigError(
                "headers of the endpoint and key_env both set Authorization",
                fix="key_env: null, or leave the header out",
            )
        is_from_environment = ENV_REFERENCE.search(value) is not None
        is_secret = CREDENTIAL_NAME.search(name) or "cookie" in name.lower()
        if not is_from_environment and (is_secret or CREDENTIAL_VALUE.search(value)):
            raise ConfigError(
                "headers of the endpoint hold what looks like a credential; "
                "it would be kept with the run",
                got=name,
                fix="put it into an environment variable, and write ${ITS_NAME} in its place",
            )
        if not is_header_value(value):
            raise ConfigError(
                f"the value of the header {name} can't be sent",
                allowed="printable characters of Latin-1 on one line",
            )


def fill_headers(headers: Mapping[str, str]) -> FilledHeaders:
    """The headers with what the environment holds. Raises ConfigError if a variable is not set."""
    filled = {}
    secrets = []
    for name, value in headers.items():
        for variable in ENV_REFERENCE.findall(value):
            secret = os.environ.get(variable, "").strip()
            if not secret or not is_header_value(secret):
                raise ConfigError(
                    f"the header {name} of the endpoint is not in the environment "
                    f"variable {variable}",
                    fix=f"export {variable}=..., or leave the header out",
                )
            secrets.append(secret)
            value = value.replace(f"${{{variable}}}", secret)
        filled[name] = value
    return FilledHeaders(filled, tuple(secrets))


def is_header_value(text: str) -> bool:
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        return False
    return text.isprintable()
