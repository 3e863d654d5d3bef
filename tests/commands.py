"""The command line in this process: the same entry point, without loading torch again."""

import io
import os
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

from teachback.cli import main


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


def command(*args: object, cwd: Path | None = None, **env: str) -> Done:
    """`teachback ARGS`, without a terminal, in the folder `cwd`."""
    out, err = io.StringIO(), io.StringIO()
    with (
        patch.object(sys, "argv", ["teachback", *map(str, args)]),
        patch.object(sys, "stdin", io.StringIO()),
        patch.dict(os.environ, {"COLUMNS": "200", **env}),
        chdir(cwd or Path.cwd()),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            main()
            code = 0
        except SystemExit as exit:
            code = int(exit.code or 0)
    return Done(code, out.getvalue(), err.getvalue())
