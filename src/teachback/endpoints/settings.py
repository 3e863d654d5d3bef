"""Where a model is asked, and within which limits: the settings of every endpoint."""

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from ..types import PositiveFloat, PositiveInt, Settings


class EndpointSettings(Settings):
    """Any OpenAI-compatible endpoint. The key comes from the environment only."""

    # Up to and without /chat/completions.
    base_url: str
    model: str
    # The environment variable that holds the key; null: the endpoint takes none.
    key_env: str | None = "OPENAI_API_KEY"
    # Sent with every request. ${NAME} stands for an environment variable: secrets go there.
    headers: dict[str, str] = {}
    # OpenAI's newer models take max_completion_tokens.
    cap_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    # The most tokens that the server's chat template adds to a request.
    template_tokens: Annotated[int, Field(ge=0)] = 64
    # Sent with every request as they are: temperature, reasoning_effort, …
    options: dict[str, JsonValue] = {}
    # The most calls at a time.
    in_flight: PositiveInt = 16
    # The provider's limits, where you know them.
    requests_per_minute: PositiveFloat | None = None
    tokens_per_minute: PositiveFloat | None = None
    # Tries of a call that reached the endpoint. Being turned away (429, 503) does not count.
    tries: PositiveInt = 3
    # Seconds for one try, its whole answer included.
    deadline_s: PositiveFloat = 120.0
    # An endpoint that turns every call away for so long counts as down.
    patience_s: PositiveFloat = 300.0
