"""Keeping JupyterLab's shortcuts out of panels, so that each can be used by keyboard alone.

JupyterLab (4.6) takes arrow keys and letters pressed on a menu, a tick or a button for its own: an
arrow leaves the cell, a letter may add or delete one. An attribute keeps it out; as its rules end
in ``:focus``, that has to stand on the very element. Keys with Ctrl and the like stay JupyterLab's.
"""

from __future__ import annotations

from html import escape

_LISTEN = (
    "window.exchangeLabKeys = window.exchangeLabKeys || !window.addEventListener('keydown',"
    " (event) => event.target.closest('.jp-OutputArea-output')?.querySelector('.exchange-lab')"
    " && event.target.toggleAttribute('data-lm-suppress-shortcuts',"
    " !(event.ctrlKey || event.metaKey || event.altKey || event.shiftKey)), true);"
)
STYLE_TAG = f'<style onload="{escape(_LISTEN)}">'
"""Opens a panel's style sheet; once it is there, one listener serves every panel of the page."""
