"""`teachback serve-program`: the task's exact program as an endpoint."""

from pathlib import Path

from ..build.rehearsal import make_rehearsal
from ..build.task import make_task
from ..config.config import Config
from ..serve.faults import mix_faults, parse_faults
from ..serve.pace import RequestLimit, lognormal_latency
from ..serve.program import serve_task_program


def serve_task(
    config: Config,
    *,
    port: int,
    faults: str,
    fault_seed: int,
    latency: tuple[float, float],
    limit: RequestLimit | None,
    prompts: str | None,
    log: Path | None,
) -> None:
    """latency: the median in seconds, and the sigma of its logarithm."""
    task = make_task(config.task)
    draw, templates, solve = make_rehearsal(config, task, prompts)
    serve_task_program(
        task,
        draw,
        templates,
        solve,
        port=port,
        faults=mix_faults(parse_faults(faults), fault_seed),
        limit=limit,
        latency_s=lognormal_latency(*latency),
        log_path=log,
    )
