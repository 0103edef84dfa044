"""A report as one HTML page that asks nothing of the network, opens offline and prints well."""

from __future__ import annotations

import base64
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from lab.reports.content import Content, Drawn
from lab.tables import Table

TEMPLATE = "page.html"


def page(content: Content, data_file: str) -> str:
    """Return a report as HTML.

    Parameters
    ----------
    content
        What it says.
    data_file
        The name of the file beside it that has every number.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).resolve().parent),
        autoescape=True,  # what a person typed stays text, whatever the file's ending
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.filters |= {"table": _table, "picture": _picture}
    return environment.get_template(TEMPLATE).render(content=content, data_file=data_file)


def _table(table: Table) -> Markup:
    return Markup(table.to_html())  # cells are escaped where the table is made


def _picture(figure: Drawn) -> str:
    """Return a figure's address that holds the figure itself."""
    return f"data:image/svg+xml;base64,{base64.b64encode(figure.svg().encode()).decode()}"
