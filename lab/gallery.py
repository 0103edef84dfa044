"""The pictures of the start notebook's gallery: one a notebook, small, drawn from shipped results.

``python -m lab.shipped --only figures`` makes them. Not for reading numbers off: a picture has no
header, since the notebook that it leads to opens with the whole figure.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from lab.measure.result import CHECKOUT
from lab.shipped import SMALL, shipped, smaller

PICTURES = CHECKOUT / "notebooks" / "pictures"
PIXELS = (640, 360)
"""Two to each of the page's, so that it is sharp on every screen."""
_INCHES = (4.4, 3.4)  # of a figure with its header, which is then taken off
_COLUMNS_INCHES = (6.2, 4.4)  # of one whose columns each have a header
_WHITE = (255, 255, 255)


@dataclass(frozen=True)
class Subject:
    """What a notebook's picture shows: a shipped result and a kind of figure."""

    experiment: str
    kind: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    inches: tuple[float, float] = _INCHES

    def figure(self) -> Figure:
        """Draw it."""
        from lab.plots import drawn

        return drawn(shipped(self.experiment, **self.changes), self.kind, size=self.inches)


SUBJECTS = {
    "01": Subject("clock_cost", "costs"),
    "02": Subject("jitter", "gaps"),
    "03": Subject("mmap_tuning", "percentiles"),
    "04": Subject("matching_throughput", "throughput", dict(flow="balanced", messages=SMALL)),
    "05": Subject("latency_under_load", "load", inches=_COLUMNS_INCHES),
    "13": Subject("matching_throughput", "effects", dict(flow="balanced", messages=SMALL)),
}
"""By the number that a notebook's file name begins with; the start notebook shows the others."""


def draw_pictures(folder: Path = PICTURES) -> list[Path]:
    """Draw every notebook's picture; return the files."""
    folder.mkdir(exist_ok=True)
    paths = []
    for number, subject in SUBJECTS.items():
        path = folder / f"{number}.png"
        path.write_bytes(small_picture(subject.figure()))
        paths.append(path)
    return paths


def small_picture(figure: Figure) -> bytes:
    """Return a figure without its header as a PNG of the gallery's size.

    Parameters
    ----------
    figure
        What one of the functions of ``lab.plots`` returned; its header is taken off.
    """
    from PIL import Image, ImageChops, ImageOps

    from lab.plots import to_png
    from lab.plots.sheet import PNG_DPI

    _take_off_header(figure)
    dots = to_png(figure, PIXELS[0] / (float(figure.get_size_inches()[0]) * PNG_DPI))
    drawing = Image.open(io.BytesIO(dots)).convert("RGB")
    ink = ImageChops.difference(drawing, Image.new("RGB", drawing.size, _WHITE)).getbbox()
    framed = ImageOps.pad(drawing.crop(ink), (PIXELS[0] - 16, PIXELS[1] - 16), color=_WHITE)
    sheet = io.BytesIO()
    ImageOps.expand(framed, 8, _WHITE).save(sheet, "png")
    return smaller(sheet.getvalue())


def _take_off_header(figure: Figure) -> None:
    """Take off what a sheet writes first: the lines that begin at its margin."""
    margin = figure.texts[0].get_position()[0]
    for line in list(takewhile(lambda text: text.get_position()[0] == margin, figure.texts)):
        line.remove()
