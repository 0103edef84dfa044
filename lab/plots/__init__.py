"""Results and books to figures; each opens with its finding.

A figure is a light sheet in both of JupyterLab's themes. It is made without pyplot and in our own
settings, so it is the same from a notebook, a terminal and any thread, byte for byte.

============== =================================================================
file           what it is for
============== =================================================================
styles         one colour, dash and marker a rival, everywhere
reading        what a figure reads from results: lines, words, what cannot be told
labels         where to write so that nothing overlaps
sheet          header, axes, and the way to SVG and PNG
figures        every kind of figure of a result, in one table
parts          a figure in two parts: a frame that stays, curves that are drawn anew
along          lines over an axis, both logarithmic, with names, values and grey lines
rows           a dot with its interval a rival, on a log axis
scaling        rates along an axis: a book's size, a count of cores
staircase      what memory gives, over how much of it is gone through
costs          what each way to do something costs
matrix         from each CPU or node to each: a heat map
gaps           what a machine takes from a core: gaps a second by their length
timed          the same commands by several clocks: what each says they took
ecdf           what share of commands is answered within each time
over_time      when slow commands came: times over a pass, a heat map a rival
ridge          a row a kind of command, an outline a rival
machine_map    a machine as boxes in boxes: nodes, caches, cores
machine_layout where those boxes stand, and what is drawn once for all alike
machine_parts  what such a drawing is made of, read from a topology
machine_words  the drawing in words
flows          what order flows look like: prices and live orders, a column a flow
across         rates over flows: a column a flow, a line an engine
history        one experiment over time: a strip a rival, steps by name
effects        is B faster than A: ratio, interval, noise, and what is claimed
turns          a round turn by turn, raw beside polished: why taking turns shows 1 %
peeking        what looking early costs, and what mends it
stall          a server stands still: who waited, and what ping-pong saw of it
marks          boxes, strokes and words: drawn by matplotlib, or written as SVG
ladder         how a book is drawn: a row a price, a block an order
scenes         worked examples: books side by side, and what happened
auction        a crossed book, demand and supply over the same prices
depth          both sides of a book and one queue, in a few milliseconds
============== =================================================================
"""

from lab.plots.alternative import alt_text
from lab.plots.costs import costs
from lab.plots.ecdf import ecdf
from lab.plots.effects import effects
from lab.plots.figures import KINDS, drawn
from lab.plots.gaps import gaps
from lab.plots.histogram import histogram
from lab.plots.load import load
from lab.plots.machine_map import machine_map
from lab.plots.matrix import matrix
from lab.plots.over_time import over_time
from lab.plots.percentiles import percentiles
from lab.plots.reading import kinds
from lab.plots.ridge import ridge
from lab.plots.scaling import scaling
from lab.plots.sheet import FULL, HALF, to_png, to_svg
from lab.plots.staircase import staircase
from lab.plots.styles import STYLES, Style, style_of
from lab.plots.throughput import throughput
from lab.plots.turns import by_turn

__all__ = [
    "FULL",
    "HALF",
    "KINDS",
    "STYLES",
    "Style",
    "alt_text",
    "by_turn",
    "costs",
    "drawn",
    "ecdf",
    "effects",
    "gaps",
    "histogram",
    "kinds",
    "load",
    "machine_map",
    "matrix",
    "over_time",
    "percentiles",
    "ridge",
    "scaling",
    "staircase",
    "style_of",
    "throughput",
    "to_png",
    "to_svg",
]
