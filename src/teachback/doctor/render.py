"""What `teachback doctor` prints."""

import json
from collections.abc import Iterator

from ..report.formatting import align_columns, display_path, format_bytes
from ..run.files import to_plain
from .values import Checkup, EndpointState, ExtraState, PackageState


def checkup_facts(checkup: Checkup) -> dict[str, object]:
    """What `--json` prints."""
    facts = json.loads(json.dumps(to_plain(checkup), default=str))  # paths
    return {"ready": not checkup.problems, **facts}


def checkup_lines(checkup: Checkup) -> Iterator[str]:
    versions = [f"{name} {text}" for name, text in checkup.versions.items() if text]
    yield f"versions   {', '.join(versions)}"
    yield "extras"
    yield from align_columns([extra_cells(extra) for extra in checkup.extras])
    yield f"computes   {device_line(checkup)}"
    yield f"memory     {memory_line(checkup)}"
    yield f"precision  {precision_line(checkup)}"
    yield f"student    {checkup.student.model}: {checkup.student.place}"
    cache = checkup.cache
    access = "writable" if cache.is_writable else "not writable"
    yield f"cache      {cache.path}: {format_bytes(cache.n_bytes)}, {access}"
    for disk in checkup.disks:
        free = format_bytes(disk.free_bytes)
        total = format_bytes(disk.total_bytes)
        yield f"disk       {display_path(disk.folder)}: {free} free of {total}"
    for endpoint in checkup.endpoints:
        yield f"{endpoint.role:<10} {endpoint_line(endpoint)}"
    yield ""
    yield from verdict_lines(checkup)


def extra_cells(extra: ExtraState) -> list[str]:
    states = [text for text in map(package_text, extra.packages) if text]
    state = f"{'; '.join(states)}: {extra.fix}" if extra.fix else "complete"
    return [extra.name, extra.purpose, state]


def package_text(package: PackageState) -> str:
    if package.installed is None:
        return f"no {package.name}"
    if not package.is_new_enough:
        return f"{package.name} {package.installed} is not {package.required}"
    return ""


def device_line(checkup: Checkup) -> str:
    if not checkup.devices:
        return f"CPU, {checkup.n_cores} cores; no GPU that torch can use"
    gpus = [
        f"{device.name} ({format_bytes(device.free_bytes)} free of "
        f"{format_bytes(device.total_bytes)})"
        for device in checkup.devices
    ]
    return f"{', '.join(gpus)}; CPU, {checkup.n_cores} cores"


def memory_line(checkup: Checkup) -> str:
    memory = checkup.memory
    if memory is None:
        return "unknown without psutil"
    free = format_bytes(memory.free_bytes)
    return f"{free} free of {format_bytes(memory.total_bytes)}"


def precision_line(checkup: Checkup) -> str:
    precision = checkup.precision
    if precision is None:
        return "unknown without torch"
    what = f"auto means {precision.auto}: "
    if not precision.has_bf16:
        return f"{what}bf16 is not built into this device"
    if precision.bf16_speedup is None:
        return f"{what}bf16 is built into this device"
    return f"{what}bf16 is {precision.bf16_speedup:g} times as fast as float32 here"


def endpoint_line(endpoint: EndpointState) -> str:
    key = "no key"
    if endpoint.key_env is not None:
        key = f"key in {endpoint.key_env}"
        if not endpoint.has_key:
            key += ", which is not set"
    return f"{endpoint.base_url} ({key}): {endpoint.answer}"


def verdict_lines(checkup: Checkup) -> Iterator[str]:
    if not checkup.problems:
        yield f"{checkup.subject}: everything that it needs is there"
        return
    yield f"{checkup.subject}: not everything that it needs is there"
    for problem in checkup.problems:
        what, *more = problem.what.splitlines()
        yield f"  {what}"
        yield from (f"  {line}" for line in more)
        yield f"    fix: {problem.fix}"
