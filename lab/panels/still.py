"""A panel's picture, carried along with it for where no widget can be shown.

A notebook's file, an exported page and an untrusted notebook have no kernel to ask; JupyterLab
takes the widget wherever there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


def added(
    bundle: dict[str, Any] | None, parts: Callable[[], Sequence[str]]
) -> dict[str, Any] | None:
    """Return what a widget is displayed as, with a picture of it as HTML.

    Parameters
    ----------
    bundle
        What the widget itself says, by kind; None where it says nothing.
    parts
        Called for pieces of HTML; a failure of theirs leaves the widget as it is.
    """
    if bundle is None:
        return None
    try:
        return bundle | {"text/html": "".join(parts())}
    except Exception:  # a widget without its picture is still the widget
        return bundle
