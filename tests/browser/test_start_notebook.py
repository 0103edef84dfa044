"""The start notebook in a real JupyterLab, used as a person uses it."""

from __future__ import annotations


def test_it_opens(notebook, session) -> None:
    notebook.open()
    notebook.keep("1-opened")
    notebook.wait_for_kernel()
    assert notebook.ask_kernel("1 + 1") == "2"
    print(session.console, session.outside())
