"""The figure of a stall: who is slow, what it says, and what of it is drawn."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from lab.plots import to_png
from lab.plots.stall import in_words, stall

DUE_MS = np.arange(1_000.0)


def stalled(service_ms: float, stall_ms: float = 100.0) -> tuple[np.ndarray, np.ndarray]:
    """Return service and response times, one command after the other as Lindley has it."""
    service = np.full(len(DUE_MS), service_ms)
    service[500] += stall_ms
    response, free_ms = [], 0.0
    for due, work in zip(DUE_MS, service, strict=True):
        free_ms = max(due, free_ms) + work
        response.append(free_ms - due)
    return service, np.array(response)


@pytest.mark.parametrize(("service_ms", "clients"), [(0.1, 111), (0.4, 161)])
def test_it_says_how_many_waited(service_ms: float, clients: int) -> None:
    """While 100 ms go by 100 commands come, and more until the backlog is gone.

    The k-th after it is answered 100 + service - k (1 - service) ms after it was due; that is slow
    as long as it is more than ten services.
    """
    service, response = stalled(service_ms)
    said = f"One stall of 100 ms: ping-pong sees 1 slow answer, clients {clients}"
    assert said in in_words(service, response)
    assert said in _words_of(stall(DUE_MS, service, response))


def test_ping_pong_asks_nothing_while_the_server_stands_still() -> None:
    figure = stall(DUE_MS, *stalled(0.1))
    clients, tester = ((line.get_xdata(), line.get_ydata()) for line in figure.axes[0].lines)
    in_stall = (tester[0] > 0) & (tester[0] < 100)
    assert not in_stall.any()
    assert tester[1].max() == pytest.approx(100.1)  # the one that it asked before
    assert ((clients[0] > 0) & (clients[0] < 100)).sum() == 99


@pytest.mark.parametrize("service_ms", [0.01, 0.1, 0.6])
def test_nothing_overlaps(service_ms: float) -> None:
    figure = stall(DUE_MS, *stalled(service_ms))
    to_png(figure)
    canvas = FigureCanvasAgg(figure)
    boxes = [text.get_window_extent(canvas.get_renderer()) for text in _texts(figure)]
    for index, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[index + 1 :])


def _texts(figure: Figure) -> list[Text]:
    return [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]


def _words_of(figure: Figure) -> str:
    return " ".join(text.get_text() for text in _texts(figure)).replace("\u00a0", " ")
