"""The command ``lab``: what a person types in a terminal."""

from __future__ import annotations

import click


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """A performance lab for the core of an exchange."""


@main.command("open")
@click.argument("notebook", required=False, type=click.Path())
@click.option("--port", default=8888, show_default=True, help="First port to try.")
@click.option("--no-browser", is_flag=True, help="Only print the address.")
def open_(notebook: str | None, port: int, no_browser: bool) -> None:
    """Open JupyterLab on NOTEBOOK (default: notebooks/00_start_here.ipynb)."""
    from engines.errors import InputError
    from lab.jupyter.launch import open_lab

    try:
        open_lab(notebook, port, browser=not no_browser)
    except InputError as error:
        raise click.UsageError(str(error)) from error
