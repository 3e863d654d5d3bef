"""The program itself: every command is registered with it."""

import typer

from ..config import options

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def describe_program(version: options.ShowVersion = False) -> None:
    """Finetune a small language model on synthetic data it asks for itself, within a budget you
    set.
    """
