"""Every error that teachback raises on purpose, with the exit code of a command that meets it.

A bad *row* is no error. It is data with a reason (see `types.Draft`, `types.Rejection`).
"""


class TeachbackError(Exception):
    """Its message says what is wrong, what was got, what is allowed, and the fix."""

    exit_code = 1

    def __init__(
        self, what: str, *, got: object = None, allowed: object = None, fix: str = ""
    ) -> None:
        parts = [what]
        if got is not None:
            parts.append(f"got: {got}")
        if allowed is not None:
            parts.append(f"allowed: {allowed}")
        if fix:
            parts.append(f"fix: {fix}")
        super().__init__("\n  ".join(parts))


class ConfigError(TeachbackError):
    """A value in the config, or an argument of a command, can't be used."""

    exit_code = 2


class DataError(TeachbackError):
    """A file of rows is missing, unreadable, empty or ambiguous."""

    exit_code = 2


class InputsChanged(TeachbackError):
    """The run's directory was made from other data, prompts or models, or in another format."""

    exit_code = 2


class RunLocked(TeachbackError):
    """Another process is at work in the run's directory."""

    exit_code = 2


class StudentError(TeachbackError):
    """The model can't be used as a student."""

    exit_code = 2


class CriterionError(TeachbackError):
    """The scores can't rank the pool."""

    exit_code = 2


class LedgerError(TeachbackError):
    """The ledger is of another version, or the budget is below what is spent."""

    exit_code = 2


class BudgetClosed(TeachbackError):
    """The budget can't pay for what a step can't do without."""

    exit_code = 3


class TeacherDown(TeachbackError):
    """The teacher can't be reached. Everything so far is kept."""

    exit_code = 4
