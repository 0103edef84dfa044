"""Results to figures: percentiles, histogram, throughput; each opens with its finding.

A figure is a light sheet in both of JupyterLab's themes. It is made without pyplot and in our own
settings, so it is the same from a notebook, a terminal and any thread, byte for byte.

========== =====================================================================
file       what it is for
========== =====================================================================
styles     one colour, dash and marker a rival, everywhere
reading    what a figure reads from results: lines, words, what cannot be told
labels     where to write so that nothing overlaps
sheet      header, axes, and the way to SVG and PNG
========== =====================================================================
"""

from lab.plots.alternative import alt_text
from lab.plots.histogram import histogram
from lab.plots.percentiles import percentiles
from lab.plots.reading import kinds
from lab.plots.sheet import FULL, HALF, to_png, to_svg
from lab.plots.styles import STYLES, Style, style_of
from lab.plots.throughput import throughput

__all__ = [
    "FULL",
    "HALF",
    "STYLES",
    "Style",
    "alt_text",
    "histogram",
    "kinds",
    "percentiles",
    "style_of",
    "throughput",
    "to_png",
    "to_svg",
]
