"""A matplotlib figure in a notebook, without pyplot: its canvas, and work that waits for its turn.

ipympl's canvas with three things changed. Each frame is whole: of two that come before the browser
has decoded the first, it drops the first, and what only that one changed would stay as it was.
Nobody is asked when to draw: the notebook's own loop is, at once. And what is said under a figure,
and to its toolbar, is left out: a panel has its own.
"""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from ipympl.backend_nbagg import Canvas, FigureManager  # type: ignore[import-untyped]
from matplotlib.figure import Figure
from PIL import Image

from lab.plots.sheet import own_settings

DPI = 85  # 7.2 inches are 612 pixels: a panel's right side on a laptop, beside a scrollbar
_LEFT_OUT = ("message", "history_buttons", "navigate_mode", "figure_label", "capture_scroll")
_MOST_BUSY = 0.5  # of the loop's time; the rest is for messages that make the next drawing


class Soon:
    """Does a piece of work when the notebook's loop is free, however often it is asked for.

    What is asked for meanwhile is done by the same turn, so the last state is always the one that
    is drawn. Where there is no loop the work is done at once.

    Parameters
    ----------
    work
        What to do.
    failed
        Told when it raises; on the loop nobody else would hear of it.
    after_s
        How long it gives way to other work at least.
    """

    def __init__(
        self,
        work: Callable[[], None],
        failed: Callable[[Exception], None] | None = None,
        after_s: float = 0.0,
    ) -> None:
        self._work, self._failed, self._after_s = work, failed, after_s
        self._is_due = False
        self._free_at = 0.0

    def ask(self) -> None:
        """Have the work done soon."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._do()
            return
        if not self._is_due:
            self._is_due = True
            loop.call_later(max(self._free_at - time.perf_counter(), self._after_s), self._do)

    def _do(self) -> None:
        self._is_due = False
        start = time.perf_counter()
        try:
            self._work()
        except Exception as error:
            if self._failed is None:
                raise
            self._failed(error)
        finally:
            end = time.perf_counter()
            self._free_at = end + (end - start) * (1.0 / _MOST_BUSY - 1.0)


class LiveCanvas(Canvas):  # type: ignore[misc]
    """The canvas of a figure that is blitted.

    Parameters
    ----------
    figure
        What is shown; its size and resolution stay as they are.
    before_draw
        Called before the whole figure is drawn, in our own settings.
    on_draw
        Called to have the whole figure drawn; it calls ``draw`` in its own time.
    """

    _png_is_old: bool
    _force_full: bool

    def __init__(
        self, figure: Figure, before_draw: Callable[[], None], on_draw: Callable[[], None]
    ) -> None:
        self._before_draw, self._on_draw = before_draw, on_draw
        super().__init__(figure)
        self.toolbar_visible = False
        self.header_visible = self.footer_visible = self.resizable = False
        self.pan_zoom_throttle = 50.0
        manager = FigureManager(self, 0)
        self.mpl_disconnect(manager.key_press_handler_id)  # a letter would change the axes
        self.mpl_disconnect(manager.button_press_handler_id)

    def draw(self) -> None:
        """Draw all of the figure and send it."""
        with own_settings():
            self._before_draw()
            super().draw()

    def draw_idle(self) -> None:
        """Have the figure drawn when there is time."""
        self._on_draw()

    def get_diff_image(self) -> bytes | None:
        """Return the whole figure as PNG; None if it was sent already."""
        if not self._png_is_old:
            return None
        self._png_is_old = self._force_full = False
        pixels = np.ascontiguousarray(np.asarray(self.get_renderer().buffer_rgba())[:, :, :3])
        png = io.BytesIO()
        Image.fromarray(pixels).save(png, format="png", compress_level=1)
        return png.getvalue()

    def send_binary(self, data: bytes) -> None:
        """Send a picture."""
        self.send({"data": '{"type": "binary"}'}, buffers=[data])

    def send_json(self, content: dict[str, Any]) -> None:
        """Send a message, if it is one that the figure needs."""
        if content["type"] not in _LEFT_OUT:
            super().send_json(content)

    def _handle_message(self, widget: Any, content: dict[str, Any], buffers: Any) -> None:
        super()._handle_message(widget, content, buffers)
        if content["type"] == "initialized":
            # The browser sets it by itself, and draws a handle over the lower right corner.
            self.send_state("resizable")
