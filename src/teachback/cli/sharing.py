"""Commands that bring what a run made to where people use it: export."""

from .. import api
from ..config import options
from ..export.export_run import export_facts
from ..export.forms import describe_forms
from ..report.console import print_value
from .app import app


@app.command("export", epilog=describe_forms())
def export_command(
    run: options.RunFolder,
    to: options.ExportFormName,
    out: options.ExportPath,
    meta: options.WithMeta = False,
    plain: options.PlainRows = False,
    force: options.Overwrite = False,
    trust: options.TrustRun = False,
    as_json: options.JsonOutput = False,
) -> None:
    """Write a run's rows or its student in a form that other tools read. Safe while the run
    is at work.
    """
    export = api.export(
        run, to=to, out=out, meta=meta, plain=plain, force=force, trust=trust
    )
    print_value(export, as_json, export_facts, lambda export: export.lines)
