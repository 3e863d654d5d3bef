"""What `init` decided for a file, from which the config's text is written."""

from dataclasses import dataclass

from .sizes import RowShares
from .survey import Survey


@dataclass(frozen=True)
class Choices:
    survey: Survey
    shares: RowShares
    grader: str
    # What speaks for the grader.
    grader_evidence: str
    # The file's own rows teach, for free. False: a model behind an endpoint writes rows.
    has_pool_teacher: bool
    # Some solutions end in another answer than their row has, so none is used.
    has_wrong_solutions: bool = False
    # The endpoint's; None: a person fills it in.
    base_url: str | None = None
    model: str | None = None

    @property
    def has_solutions(self) -> bool:
        """There are worked solutions that can be trained on."""
        if self.has_wrong_solutions:
            return False
        return any(e.solution is not None for e in self.survey.examples)
