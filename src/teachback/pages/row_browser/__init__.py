"""The browser of rows in a run's page: each draft from its seed to what became of it."""

from .render import RowBrowser, render_row_browser
from .sources import RowSources

__all__ = ["RowBrowser", "RowSources", "render_row_browser"]
