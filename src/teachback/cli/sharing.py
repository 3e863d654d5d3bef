"""Commands that bring what a run made to where people use it: export."""

from .. import api
from ..config import options
from ..export.forms import describe_forms
from ..report.console import print_value
from .app import app


@app.command("export", epilog=describe_forms())
def export_command(
    run: options.RunFolder,
    to: options.ExportFormName,
    out: options.ExportPath = None,
    meta: options.WithMeta = False,
    plain: options.PlainRows = False,
    card: options.WithCard = False,
    force: options.Overwrite = False,
    trust: options.TrustRun = False,
    what: options.PushedPart = None,
    public: options.PublicRepo = False,
    yes: options.SkipPushQuestion = False,
    as_json: options.JsonOutput = False,
) -> None:
    """Write a run's rows or its student in a form that other tools read. Safe while the run
    is at work.
    """
    from ..commands.questions_first import ask_before_pushing

    export = api.export(
        run,
        to=to,
        out=out,
        meta=meta,
        plain=plain,
        card=card,
        force=force,
        trust=trust,
        what=what,
        public=public,
        confirm=None if yes else ask_before_pushing,
    )
    print_value(
        export, as_json, lambda export: export.facts, lambda export: export.lines
    )
