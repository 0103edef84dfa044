"""The figure of the flows: it says what the traces say, and nothing lies on anything else."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from engines.messages import CommandKind
from lab.plots import FULL, HALF, to_png, to_svg
from lab.plots.flows import flows, flows_in_words
from lab.plots.sheet import own_settings
from lab.workloads.order_flow import FLOWS, generate
from lab.workloads.traces import trace


@pytest.fixture(scope="module")
def traces():
    names = [kind.name for kind in FLOWS.values() if kind.swing is not None]
    return [trace(generate(name, 4_000, 500, 1), pieces=10, dots=400) for name in names]


def texts_of(figure):
    """Return every text that is drawn, with its box in pixels, at 100 dots an inch."""
    canvas = FigureCanvasAgg(figure)
    with own_settings():
        canvas.draw()
    renderer = canvas.get_renderer()
    found = figure.findobj(Text)
    return [(t.get_text(), t.get_window_extent(renderer)) for t in found if t.get_text().strip()]


def test_a_trace_holds_the_prices_and_the_live_orders():
    flow = generate("trending", 4_000, 500, 1, price_centre=20_000)
    seen = trace(flow, pieces=10, dots=400)
    assert 400 <= len(seen.at) < 900 and np.all(np.diff(seen.at) > 0)
    orders = flow.commands[seen.at]
    assert np.all(orders["kind"] == CommandKind.NEW)
    assert np.array_equal(orders["price"] - 20_000, seen.ticks)
    assert np.array_equal(orders["side"] == 0, seen.is_buy)
    assert np.array_equal(orders["tif"] == 1, seen.is_taker)
    assert seen.live[0] == 500 and len(seen.live) == len(seen.live_at) == 11
    assert seen.live_at[0] == 0 and seen.live_at[-1] == 4_000
    assert abs(np.median(seen.ticks)) < 100, "prices start where they are said to"


def test_an_empty_flow_can_be_drawn():
    seen = trace(generate("calm", 0, 0, 1))
    assert seen.live.tolist() == [0] * len(seen.live_at)
    flows([seen])


@pytest.mark.parametrize("size", [FULL, HALF], ids=["full", "half"])
def test_no_text_is_cut_or_lies_on_another(traces, size):
    texts = texts_of(flows(traces, size=size))
    for text, box in texts:
        assert box.x0 >= 0 and box.y0 >= 0, f"{text!r} is cut"
        assert box.x1 <= size[0] * 100 and box.y1 <= size[1] * 100, f"{text!r} is cut"
    for (text, box), (other, other_box) in combinations(texts, 2):
        across = min(box.x1, other_box.x1) - max(box.x0, other_box.x0)
        upward = min(box.y1, other_box.y1) - max(box.y0, other_box.y0)
        assert across <= 1 or upward <= 2, f"{text!r} lies on {other!r}"


def test_it_names_every_flow_and_its_width(traces):
    figure = flows(traces)
    words = " ".join(text for text, _ in texts_of(figure)).replace("\u00a0", " ")
    spoken = flows_in_words(traces)
    for seen in traces:
        assert seen.name in words and f"{seen.wide:,} ticks" in words
        assert f"{seen.name}: prices over {seen.wide:,} ticks" in spoken
    narrow, wide = min(t.wide for t in traces), max(t.wide for t in traces)
    assert f"Prices jump over {narrow:,} to {wide:,} ticks" in words
    assert len(figure.axes) == 2 * len(traces)


def test_the_columns_share_their_axes(traces):
    limits = {axes.get_ylim() for axes in flows(traces).axes}
    assert len(limits) == 2


def test_the_same_traces_give_the_same_bytes(traces):
    assert to_svg(flows(traces)) == to_svg(flows(traces))
    assert to_png(flows(traces)) == to_png(flows(traces))
