"""Old names, until every benchmark imports the new modules."""

from bench.outcome import Outcome as Outcome
from bench.outcome import run_benchmark as told  # noqa: F401
from bench.process import peak_mib as peak_mib
from bench.process import run_fresh as fresh  # noqa: F401
from bench.process import spread as spread
