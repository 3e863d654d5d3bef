"""The pages that are made when the site is: the config, the commands, and the notebooks.

mkdocs calls `on_files` and `on_page_markdown` (mkdocs.yml, hooks). The pages exist on the site
only, so they can't be out of date.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from teachback import cli
from teachback.config.schema import SHORT_SECTIONS, make_schema
from teachback.config.sections_by_name import NAMED_SECTIONS

Schema = Mapping[str, Any]

NO_DEFAULT = "**required**"

CONFIG_INTRO = """\
# Config

For people who write or change a config. `teachback init FILE` writes one, with a comment on
every choice; this page lists every key. It is made from `teachback schema`, which editors read to
complete and check keys.

- A key without a default is **required**. All others may be left out.
- Any key can be set on the command line: `--set finetune.epochs=2`.
- Relative paths count from the config's folder.
"""

CLI_INTRO = """\
# Commands

For people at a command line. `teachback COMMAND --help` prints the same. Every command resumes what
it had begun: give it again.

| exit code | what it means |
|---|---|
| 0 | done |
| 2 | the config, the data or the disk: the message says what to change |
| 3 | the budget closed before the run's end |
| 4 | the teacher is down, or gives nothing usable |
| 130 | stopped by Ctrl-C or SIGTERM; the same command goes on |
| 1 | anything else |
"""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    pages = {"reference/config.md": config_page(), "reference/cli.md": cli_page()}
    for path in sorted(Path(config.docs_dir).glob("notebooks/*.ipynb")):
        pages[f"notebooks/{path.stem}.md"] = notebook_page(path)
    for path, text in pages.items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """On the site a link to a notebook leads to its page."""
    return re.sub(r"\]\(([\w./-]+)\.ipynb\)", r"](\1.md)", markdown)


def notebook_page(path: Path) -> str:
    """Its cells without outputs, and where to get the file."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    parts = []
    for cell in cells:
        source = "".join(cell["source"])
        is_code = cell["cell_type"] == "code"
        parts.append(f"```python\n{source}\n```" if is_code else source)
    title, rest = parts[0].split("\n", 1)
    download = f'<a href="{path.name}" download>The notebook itself</a>'
    return "\n\n".join([title, rest.strip(), download, *parts[1:]]) + "\n"


# -- the config ----------------------------------------------------------------------------


def config_page() -> str:
    return CONFIG_INTRO + "\n" + "\n".join(_config_lines(make_schema()))


def _config_lines(schema: Schema) -> Iterator[str]:
    """A table of the top level, then one for each section, and for each name it may have."""
    definitions = schema["$defs"]
    yield from ["## Top level", ""]
    yield from _table(schema, linked=set(_list_sections(schema)))
    for key in _list_sections(schema):
        yield from ["", f"## {key}", ""]
        if key in NAMED_SECTIONS:
            yield from _named_section_lines(key, definitions)
            continue
        for name in _referred(schema["properties"][key]):
            description = definitions[name].get("description")
            if description:
                yield from [" ".join(description.split()), ""]
            yield from _table(definitions[name])
            for part, inner in _inner_sections(definitions[name], definitions):
                yield from ["", f"### {key}.{part}", "", *_table(inner)]


def _list_sections(schema: Schema) -> list[str]:
    """The keys of the top level that have keys of their own."""
    return [
        key
        for key, value in schema["properties"].items()
        if key in NAMED_SECTIONS or _referred(value)
    ]


def _named_section_lines(section: str, definitions: Schema) -> Iterator[str]:
    """Names with the same settings share a table. Those without any are one line."""
    names_of: dict[str, list[str]] = {}
    for name, settings in NAMED_SECTIONS[section].items():
        names_of.setdefault(settings.__name__, []).append(name)
    bare = []
    tables = []
    for cls, names in names_of.items():
        if set(definitions[cls]["properties"]) <= {"name"}:
            bare += names
        else:
            tables.append((names, definitions[cls]))
    if bare:
        yield from [f"Without settings: {_code_list(bare)}.", ""]
    for names, part in tables:
        yield from ["", f"### {section}: {', '.join(names)}", ""]
        yield from _table(part, without={"name"})
        for key, inner in _inner_sections(part, definitions):
            yield from ["", f"#### {names[0]}.{key}", "", *_table(inner)]


def _inner_sections(part: Schema, definitions: Schema) -> Iterator[tuple[str, Schema]]:
    for key, value in part["properties"].items():
        for name in _referred(value):
            if "properties" in definitions[name]:
                yield key, definitions[name]


def _table(
    part: Schema, linked: Iterable[str] = (), without: Iterable[str] = ()
) -> Iterator[str]:
    yield from ["| key | what it takes | default | what it is |", "|---|---|---|---|"]
    required = set(part.get("required", ()))
    for key, value in part["properties"].items():
        if key in without:
            continue
        is_linked = key in linked
        shown = f"[`{key}`](#{key})" if is_linked else f"`{key}`"
        kind = _section_kind(key) if is_linked else _kind(value)
        default = NO_DEFAULT if key in required else _default(value)
        cells = [shown, kind, default, _escape(value.get("description", ""))]
        yield f"| {' | '.join(cells)} |"


def _section_kind(key: str) -> str:
    if key in SHORT_SECTIONS:
        return "a name, or a section with a `name`"
    return "a section with a `name`" if key in NAMED_SECTIONS else "a section"


def _referred(value: Schema) -> list[str]:
    """The definitions that a value is made of, not those of its members."""
    options = value.get("anyOf", [value])
    members = [one.get("additionalProperties") for one in options]
    found = [*options, *(one for one in members if isinstance(one, dict))]
    return [one["$ref"].rsplit("/", 1)[1] for one in found if "$ref" in one]


def _default(value: Schema) -> str:
    if "default" not in value:
        return ""
    default = value["default"]
    if isinstance(default, dict | list):
        return "" if default else "none"
    words = {None: "null", True: "true", False: "false"}
    if default is None or isinstance(default, bool):
        return f"`{words[default]}`"
    text = str(default).replace("\n", "⏎")
    return f"`{text}`" if len(text) <= 40 else "see the schema"


def _kind(value: Schema) -> str:
    """What a value may be, in words."""
    if "anyOf" in value:
        kinds = [_kind(option) for option in value["anyOf"]]
        return " or ".join(dict.fromkeys(kinds))
    if "$ref" in value:
        return "any value" if value["$ref"].endswith("/JsonValue") else "a section"
    if "const" in value:
        return f"`{value['const']}`"
    if "enum" in value:
        return _code_list(value["enum"])
    kind = value.get("type")
    if kind == "array":
        return f"a list, each {_kind(value['items'])}" if "items" in value else "a list"
    if kind == "object":
        members = value.get("additionalProperties")
        kind = _kind(members) if isinstance(members, dict) else "any value"
        return f"names, each with {kind}"
    plain = {
        "integer": "a whole number",
        "number": "a number",
        "string": "text",
        "boolean": "`true` or `false`",
        "null": "`null`",
        None: "any value",
    }
    return plain[kind] + _limits(value)


def _limits(value: Schema) -> str:
    signs = {
        "minimum": "≥",
        "exclusiveMinimum": ">",
        "maximum": "≤",
        "exclusiveMaximum": "<",
    }
    limits = [f"{sign} {value[key]}" for key, sign in signs.items() if key in value]
    return " " + ", ".join(limits) if limits else ""


def _code_list(names: Iterable[object]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


# -- the commands --------------------------------------------------------------------------


def cli_page() -> str:
    return CLI_INTRO + "\n" + "\n".join(_cli_lines())


def _cli_lines() -> Iterator[str]:
    program: Any = typer.main.get_command(cli.app)
    yield from ["", "## teachback", "", *_parameter_table(program.params)]
    for name, command in program.commands.items():
        words = [
            part.metavar or part.name.upper()
            for part in command.params
            if part.param_type_name == "argument"
        ]
        usage = " ".join(["teachback", name, *words, "[OPTIONS]"])
        yield from ["", f"## teachback {name}", "", _escape(_one_line(command.help))]
        yield from ["", "```text", usage, "```", ""]
        yield from _parameter_table(command.params)


def _parameter_table(parameters: Iterable[Any]) -> Iterator[str]:
    rows = [_parameter_row(one) for one in parameters if not one.hidden]
    if rows:
        yield from ["| you give | what it does |", "|---|---|", *rows]


def _parameter_row(parameter: Any) -> str:
    """An argument or an option, with the value it takes, and its help."""
    if parameter.param_type_name == "argument":
        shown = parameter.metavar or parameter.name.upper()
    else:
        names = [*parameter.opts, *parameter.secondary_opts]
        shown = ", ".join(names)
        if not parameter.is_flag:
            shown += f" {parameter.metavar or parameter.name.upper()}"
    default = parameter.default
    notes = _escape(_one_line(parameter.help or ""))
    is_told = isinstance(default, int | float | str) and not isinstance(default, bool)
    if is_told and default != "" and "default" not in notes.lower():
        notes = f"{notes} Default: `{default}`.".strip()
    if getattr(parameter, "multiple", False) and "repeated" not in notes:
        notes += " May be repeated."
    return f"| `{shown}` | {notes} |"


def _one_line(text: str) -> str:
    return " ".join(text.split())
