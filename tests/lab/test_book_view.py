"""The book view with the real widgets, without a browser."""

from __future__ import annotations

import base64
import re
from html import unescape
from xml.etree import ElementTree

import pytest

import lab
from lab.books.book import Book, Level, Order
from lab.books.lines import commands_of
from lab.plots.depth import Choice, depth
from lab.workloads.order_flow import generate

ENGINE = "reference"
LINES = (
    "sell 30 at 101 owner 7, sell 20 at 101, buy 40 at 99, buy 45 at 101 ioc, cancel #2",
    "buy 5 at 98",
)


@pytest.fixture
def view():
    return lab.book(LINES, engine=ENGINE)


@pytest.fixture
def flow_view():
    flow = generate("balanced", messages=400, live_orders=60, seed=2, symbols=2)
    return lab.book(flow, engine=ENGINE)


def drawn(view) -> str:
    """The words of the drawing, which is well-formed."""
    data = re.search(r"svg\+xml;base64,([^\"]+)", view.figure.value)[1]
    root = ElementTree.fromstring(base64.b64decode(data))
    return " ".join(text for text in root.itertext() if text)


def test_it_opens_at_the_start(view):
    assert (view.steps.position, view.slider.max, view.field.max) == (0, 6, 6)
    assert "before the first command" in view.command.value
    assert "the book is empty" in drawn(view)
    assert view.buttons["first"].disabled and view.buttons["back"].disabled
    assert not view.buttons["forward"].disabled


def test_forward_and_back(view):
    for _ in range(4):
        view.buttons["forward"].click()
    assert "#4 buy 45 at 101 ioc" in view.command.value
    assert "#4 buys 30 from #1 at 101; #4 15 left, #1 filled" in view.events.value
    assert "sells at 101" in drawn(view) and "#2" in drawn(view)
    after = view.figure.value
    view.buttons["last"].click()
    assert view.figure.value != after
    assert view.buttons["forward"].disabled and view.buttons["last"].disabled
    view.buttons["back"].click()
    view.buttons["back"].click()
    assert view.figure.value == after
    view.buttons["first"].click()
    assert view.steps.position == 0


def test_slider_field_and_steps_follow_each_other(flow_view):
    flow_view.slider.value = 123
    assert (flow_view.field.value, flow_view.steps.position) == (123, 123)
    flow_view.field.value = 45
    assert (flow_view.slider.value, flow_view.steps.position) == (45, 45)
    flow_view.step.value = 100
    flow_view.buttons["forward"].click()
    assert (flow_view.slider.value, flow_view.field.value) == (145, 145)
    flow_view.buttons["back"].click()
    flow_view.buttons["back"].click()
    assert flow_view.steps.position == 0


def test_there_and_back_shows_the_same(flow_view):
    shown = {}
    for position in [*range(0, 60), *range(59, -1, -1), 399, 7, 400, 30]:
        flow_view.go(position)
        seen = (flow_view.figure.value, flow_view.command.value, flow_view.events.value)
        assert shown.setdefault(position, seen) == seen


def test_a_level_follows_the_touch_or_is_pinned(view):
    view.go(3)
    assert "sells at 101" in drawn(view)
    view.pin.value = True
    view.go(5)
    assert "sells at 101" in drawn(view) and "nobody stands there" in drawn(view)
    assert view.level_shown.value == "pinned"
    view.level.value = -1
    assert "buys at 99" in drawn(view)
    view.go(0)
    assert "nobody stands there" in drawn(view)
    view.pin.value = False
    assert "the book is empty" in drawn(view)
    assert view.level_shown.value == "best buy"


def test_a_level_beyond_the_last_is_the_last(view):
    view.go(6)
    view.level.value = -10
    assert "buys at 98" in drawn(view)


def test_another_symbol(flow_view):
    assert flow_view.symbol.layout.display == ""
    first = flow_view.figure.value
    flow_view.symbol.value = 1
    assert flow_view.figure.value != first
    assert flow_view.message.value == ""


def test_an_error_is_a_message_and_the_view_goes_on(view):
    view.go(4)
    whole = view.steps._saved[0]
    view.steps._saved[0] = whole[:10]
    view.buttons["back"].click()
    assert "10 bytes are too few for a snapshot" in view.message.value
    assert view.message.layout.display == ""
    assert view.steps.position == 4
    view.steps._saved[0] = whole
    view.buttons["back"].click()
    assert view.message.value == ""
    assert view.steps.position == 3


def test_what_others_wrote_is_shown_not_obeyed():
    course = lab.book(LINES, engine=ENGINE).steps.course
    made = lab.book(type(course)("<b>bold</b>", commands_of(LINES), 64), engine=ENGINE)
    assert "<b>bold" not in made.heading.value
    assert "<b>bold</b>" in unescape(made.heading.value)


def test_every_control_says_what_it_does(view):
    for control in (*view.buttons.values(), view.step, view.slider, view.field, view.level):
        assert control.tooltip


def test_a_long_queue_is_cut_and_counted():
    orders = tuple(Order(10**18 + n, False, 101, 10, 10, n) for n in range(40))
    level = Level(101, 700, 0, 70, orders)
    svg = depth(Book(asks=(level,), orders_live=70), Choice(101, False), {101}, {10**18})
    assert "and 51 more behind" in svg
    assert "#…000018 · owner 18" in svg and "#…000019 · owner 19" not in svg


def test_a_reserve_is_drawn_and_said():
    order = Order(7, True, 99, 90, 20)
    level = Level(99, 20, 70, 1, (order,))
    svg = depth(Book(bids=(level,), orders_live=1), Choice(99, True))
    assert "20 + 70" in svg
    assert svg.count("stroke-dasharray") >= 2


def test_what_waits_outside_is_listed():
    lines = (
        "sell 30 at 101, sell 5 stop 98, buy 5 stop 110, state opening-call, sell 20, buy 9 at 101"
    )
    made = lab.book(lines, engine=ENGINE)
    made.go(6)
    words = drawn(made)
    assert "outside the book" in words
    for waiting in ("#2 stop ≤ 98", "#3 stop ≥ 110", "#4 market"):
        assert waiting in words
    assert "opening call · locked" in words
