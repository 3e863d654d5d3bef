"""Which packages are installed, in which versions."""

import platform
from collections.abc import Iterable, Mapping
from importlib import metadata

from packaging.requirements import Requirement

from ..errors import EXTRA_MODULES, is_installed, make_pip_line
from .values import ExtraState, PackageState, Problem

PURPOSES: Mapping[str, str] = {
    "student": "asks and finetunes a student",
    "teacher": "asks an endpoint; serve-program",
    "qlora": "finetune.method: qlora (needs a GPU)",
    "math": "task.grader: math",
    "plots": "the pages of `teachback run` and `compare`",
    "gym": "task.name: reasoning_gym/NAME",
    "files": "rows in Parquet, Arrow or zstd",
    "hub": "tasks from the Hugging Face Hub",
    "pandas": ".to_pandas()",
    "trackio": "track: [trackio]",
    "wandb": "track: [wandb]",
    "mlflow": "track: [mlflow]",
    "tensorboard": "track: [tensorboard]",
}
SHOWN_VERSIONS = ("teachback", "torch", "transformers", "peft")


def list_versions() -> dict[str, str | None]:
    versions = {name: find_version(name) for name in SHOWN_VERSIONS}
    return {"Python": platform.python_version(), **versions}


def list_extras() -> tuple[ExtraState, ...]:
    """Every extra that a user may want, by the metadata of the installed teachback."""
    requirements = read_requirements()
    extras = []
    for extra, modules in EXTRA_MODULES.items():
        # Without metadata, as in a source folder on PYTHONPATH, the versions are unknown.
        own = select_requirements(requirements, extra)
        extras.append(inspect_extra(extra, own or list(map(Requirement, modules))))
    return tuple(extras)


def read_requirements() -> list[Requirement]:
    try:
        lines = metadata.requires("teachback") or []
    except metadata.PackageNotFoundError:
        lines = []
    return [Requirement(line) for line in lines]


def select_requirements(
    requirements: Iterable[Requirement], extra: str
) -> list[Requirement]:
    """What the extra adds, on this machine and for this Python."""
    return [
        requirement
        for requirement in requirements
        if requirement.marker
        and requirement.marker.evaluate({"extra": extra})
        and not requirement.marker.evaluate({"extra": ""})
    ]


def inspect_extra(name: str, requirements: Iterable[Requirement]) -> ExtraState:
    packages = tuple(map(inspect_package, requirements))
    is_complete = all(package.is_new_enough for package in packages)
    fix = None if is_complete else f"pip install 'teachback[{name}]'"
    return ExtraState(name, PURPOSES[name], packages, fix)


def inspect_package(requirement: Requirement) -> PackageState:
    version = find_version(requirement.name)
    if version is None or not is_installed(module_of_package(requirement.name)):
        return PackageState(
            requirement.name, str(requirement.specifier), None, is_new_enough=False
        )
    is_new_enough = requirement.specifier.contains(version, prereleases=True)
    return PackageState(
        requirement.name, str(requirement.specifier), version, is_new_enough
    )


def find_version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def module_of_package(package: str) -> str:
    """The packages of the extras are imported by their own names."""
    return package.replace("-", "_").lower()


def check_modules(needed: Iterable[str], extras: Iterable[ExtraState]) -> list[Problem]:
    """What is missing or too old among the modules that a config needs."""
    needed = list(needed)
    problems = []
    missing = [module for module in needed if not is_installed(module)]
    if missing:
        problems.append(
            Problem(f"not installed: {', '.join(missing)}", make_pip_line(missing))
        )
    old = {
        module_of_package(package.name): package
        for extra in extras
        for package in extra.packages
        if package.installed and not package.is_new_enough
    }
    too_old = [module for module in needed if module in old]
    if too_old:
        names = [
            f"{old[module].name} {old[module].installed} "
            f"(needed: {old[module].required})"
            for module in too_old
        ]
        problems.append(Problem(f"too old: {', '.join(names)}", make_pip_line(too_old)))
    return problems
