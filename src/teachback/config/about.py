"""What only its owner knows of a run's data: it stands in the cards that `export` writes."""

from typing import Annotated

from pydantic import Field, StringConstraints

from ..types import Settings

_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
# As the Hub lists them: apache-2.0, cc-by-4.0, mit, other.
_LicenseId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.+-]*$")]
_LanguageCode = Annotated[str, Field(pattern=r"^([a-z]{2,3}|multilingual|code)$")]


class AboutSettings(Settings):
    """What the cards of a run's rows and of its student say of their origin. It may change at any
    start. What isn't given is not guessed.
    """

    # Where the seeds are from: an address, or words.
    source: _Text | None = None
    # The seeds' licence, as its owner calls it.
    source_license: _Text | None = None
    # Under which you give out rows and student, as the Hub writes it: mit, cc-by-4.0, other.
    license: _LicenseId | None = None
    # Of questions and answers: [en], [de, fr]. Codes of two or three letters.
    language: list[_LanguageCode] = []
