"""Every error that teachback raises on purpose.

    TeachbackError                 exit code
      ConfigError                  2   a value in the config, or a command's argument
      DataError                    2   a file of rows: missing, unreadable, empty, ambiguous
      InputsChanged                2   the run's directory has other data, prompts, models or format
      RunLocked                    2   another process is at work in the run's directory
      StudentError                 2   a model that can't be used as a student
      CriterionError               2   scores that can't rank the pool
      LedgerError                  2   a ledger of another version, or a budget below what is spent
      BudgetClosed                 3   the budget can't pay for what a step can't do without
      TeacherDown                  4   the teacher can't be reached; everything so far is kept

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
    exit_code = 2


class DataError(TeachbackError):
    exit_code = 2


class InputsChanged(TeachbackError):
    exit_code = 2


class RunLocked(TeachbackError):
    exit_code = 2


class StudentError(TeachbackError):
    exit_code = 2


class CriterionError(TeachbackError):
    exit_code = 2


class LedgerError(TeachbackError):
    exit_code = 2


class BudgetClosed(TeachbackError):
    exit_code = 3


class TeacherDown(TeachbackError):
    exit_code = 4
