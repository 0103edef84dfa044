"""Panels: an experiment's controls, its figure, its table and its verdict, on one screen.

Measured code never runs in the notebook's kernel: a panel starts ``lab run`` in a fresh process and
stays usable meanwhile.

======== =======================================================================
file     what it is for
======== =======================================================================
controls an experiment's parameters as sliders, menus and ticks
markup   the panel's pieces of HTML: figure, table, verdict, a line to copy
view     what is shown of which results: figure, table, earlier runs
desk     the parts put together: run, cancel, keep, export
export   formats, title, notes and name of what is exported
keys     JupyterLab's shortcuts kept out, so that all works by keyboard
browser  the results browser; its filters, list and style in browser_…
beside   two results side by side, for the browser
book     the book view: an order book, stepped through forward and back
======== =======================================================================
"""

from lab.panels.desk import Panel, panel

__all__ = ["Panel", "panel"]
