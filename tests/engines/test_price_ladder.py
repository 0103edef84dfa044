"""What only the price ladders promise: a buffer that lives and moves anywhere, sparse pages."""

import copy
import subprocess
import sys
from threading import Thread

import numpy as np
import pytest
from numba import njit

from engines.errors import BrokenInvariant, CapacityError, LayoutError
from engines.intrinsics import load_acquire
from engines.matching.ladder_layout import HEADER, PAGES_MAX, bytes_needed
from engines.matching.price_ladder import PriceLadder
from engines.messages import (
    COMMAND,
    EVENT,
    CommandKind,
    EventKind,
    Reason,
    Side,
    TradingState,
    event_kinds,
)

PRICE_MAX = 2**31 - 1
SEQUENCE_WORD = HEADER.fields["last_sequence"][1] // 8


def orders_at(prices, side=Side.BUY, first_id=1, symbol=0):
    commands = np.zeros(len(prices), COMMAND)
    commands["kind"], commands["side"], commands["symbol"] = CommandKind.NEW, side, symbol
    commands["sequence"] = commands["order_id"] = np.arange(first_id, first_id + len(prices))
    commands["price"], commands["quantity"] = prices, 10
    return commands


def submitted(ladder, commands):
    events = np.zeros(4 * len(commands) + 8, EVENT)
    taken, written = ladder.submit(commands, events)
    assert taken == len(commands)
    ladder.check()
    return events[:written]


def spread_prices(count, seed=1):
    """Prices over the whole range, each on a page of its own and many under one summary word."""
    random = np.random.default_rng(seed)
    wide = random.integers(1, PRICE_MAX, count // 2)
    near = 5_000_000 + 64 * np.arange(count - count // 2)
    return np.unique(np.concatenate([wide, near, [1, PRICE_MAX]]))


@pytest.mark.parametrize("side", Side)
def test_levels_come_in_order_over_the_whole_range_of_prices(ladder_type, side):
    prices = spread_prices(400)
    ladder = ladder_type(orders=1000)
    submitted(ladder, orders_at(np.random.default_rng(2).permutation(prices), side))
    levels = ladder.depth(0, levels=1000)[side]["price"]
    assert levels.tolist() == sorted(prices.tolist(), reverse=side == Side.BUY)


@pytest.mark.parametrize("side", Side)
def test_taking_away_the_best_finds_the_next_one_down_to_the_last(ladder_type, side):
    prices = spread_prices(200)
    ladder = ladder_type(orders=1000)
    submitted(ladder, orders_at(prices, side))
    ranked = sorted(range(len(prices)), key=lambda i: prices[i], reverse=side == Side.BUY)
    for place, order in enumerate(ranked):
        cancel = np.zeros(1, COMMAND)
        cancel["kind"], cancel["order_id"] = CommandKind.CANCEL, order + 1
        submitted(ladder, cancel)
        best = ladder.depth(0, levels=1)[side]["price"].tolist()
        assert best == [prices[i] for i in ranked[place + 1 : place + 2]]


def test_memory_follows_the_orders_and_not_the_range_of_prices(ladder_type):
    ladder = ladder_type(orders=1000)
    submitted(ladder, orders_at(np.array([1, PRICE_MAX])))
    assert ladder._sections.header[0]["live_pages"] == 2


def test_slots_are_used_again_last_in_first_out(ladder_type):
    ladder = ladder_type(orders=10)
    submitted(ladder, orders_at([100, 101, 102]))
    for order_id in (1, 3):
        cancel = np.zeros(1, COMMAND)
        cancel["kind"], cancel["order_id"] = CommandKind.CANCEL, order_id
        submitted(ladder, cancel)
    submitted(ladder, orders_at([103], first_id=4))
    assert ladder._sections.orders[3]["order_id"] == 4


def test_a_book_out_of_pages_rejects_and_stays_whole(ladder_type):
    ladder = ladder_type(orders=100, pages=3)
    events = submitted(ladder, orders_at([64 * n for n in range(1, 6)]))
    rejected = events[event_kinds(events) == EventKind.REJECTED]
    assert rejected["reason"].tolist() == [Reason.BOOK_FULL] * 2
    replace = np.zeros(1, COMMAND)
    replace["kind"], replace["order_id"] = CommandKind.REPLACE, 1
    replace["price"], replace["quantity"] = 64 * 20, 10
    assert submitted(ladder, replace)["reason"] == Reason.BOOK_FULL
    assert ladder.order(0, 1)["price"] == 64


def test_both_sides_may_stand_on_one_tick(ladder_type):
    """In a call: sides are told apart by their pages and never by their prices."""
    ladder = ladder_type(orders=10, symbols=2)
    state = np.zeros(1, COMMAND)
    state["kind"], state["order_type"] = CommandKind.STATE, TradingState.OPENING_CALL
    submitted(ladder, state)
    submitted(ladder, orders_at([100, 100], Side.BUY))
    submitted(ladder, orders_at([100, 99], Side.SELL, first_id=3))
    bids, asks = ladder.depth(0, 5)
    assert bids.tolist() == [(100, 2, 20)] and asks.tolist() == [(99, 1, 10), (100, 1, 10)]
    assert ladder.orders(0)["order_id"].tolist() == [1, 2, 4, 3]


def test_the_buffer_may_move_between_any_two_calls(ladder_type):
    commands = orders_at(spread_prices(60))
    still = ladder_type(orders=200)
    moving = ladder_type(orders=200)
    for command in np.split(commands, len(commands)):
        expected, actual = submitted(still, command), submitted(moving, command)
        assert actual.tobytes() == expected.tobytes()
        moving = ladder_type.attach(moving.buffer.copy())
    assert moving.digest() == still.digest()


def test_a_mapped_file_is_continued_by_another_process(tmp_path):
    path = tmp_path / "book.bin"
    size = bytes_needed(orders=200, symbols=1, pages=201, owners=1024)
    book = np.memmap(path, np.uint8, "w+", shape=(size,))
    ladder = PriceLadder(orders=200, buffer=book)
    submitted(ladder, orders_at(spread_prices(60)))
    book.flush()
    program = (
        "import sys, numpy; from engines.matching.price_ladder import PriceLadder;"
        "ladder = PriceLadder.attach(numpy.memmap(sys.argv[1], numpy.uint8, 'r+'));"
        "ladder.check(); print(ladder.digest())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, path], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ladder.digest()


def test_a_symbol_has_an_even_version_that_grows_with_each_command(ladder_type):
    ladder = ladder_type(orders=10, symbols=3)
    submitted(ladder, orders_at([5, 6, 7], symbol=1))
    assert ladder._sections.books["version"].tolist() == [0, 6, 0]


def test_a_whole_book_is_the_one_after_the_last_sequence(ladder_type):
    """Beside a writer: a version that is even and stays so goes with the sequence of its command.

    Where the sequence was written after the version, this saw a book ahead of it in every run: a
    writer killed there would have had its last command carried out twice.
    """
    commands = orders_at(np.full(200_000, 100))
    commands["order_id"] = 1  # all but the first are rejected, and turn the version
    ladder, events = ladder_type(orders=10), np.zeros(2 * len(commands), EVENT)
    submitted(ladder, commands[:1])
    places, seen = ladder._places, np.zeros(2, np.int64)
    look_beside(places.books, places.header, SEQUENCE_WORD, 10, seen)  # compiled now
    writer = Thread(target=lambda: ladder.submit(commands[1:], events))
    writer.start()
    while writer.is_alive():
        look_beside(places.books, places.header, SEQUENCE_WORD, 100_000, seen)
    writer.join()
    assert seen[0] > 0 and seen[1] == 0


@njit(nogil=True)
def look_beside(books, header, sequence_word, looks, seen):
    """Count looks at a book that stood still, and those whose sequence was not its command's."""
    for _ in range(looks):
        version = load_acquire(books, 0)
        sequence = load_acquire(header, sequence_word)
        if version & 1 == 0 and load_acquire(books, 0) == version:
            seen[0] += 1
            seen[1] += version != 2 * sequence


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: PriceLadder(orders=0), CapacityError),
        (lambda: PriceLadder(orders=10, symbols=65536), CapacityError),
        (lambda: PriceLadder(orders=10, pages=2**21), CapacityError),
        (lambda: PriceLadder(orders=10, buffer=np.zeros(64, np.uint8)), CapacityError),
        (lambda: PriceLadder(orders=10, buffer=np.ones(10**6, np.uint8)), LayoutError),
        (lambda: PriceLadder.attach(np.zeros(10**6, np.uint8)), LayoutError),
        (lambda: PriceLadder(orders=11, buffer=PriceLadder(orders=10).buffer), CapacityError),
        (lambda: PriceLadder(orders=9, buffer=PriceLadder(orders=10).buffer), LayoutError),
    ],
)
def test_what_cannot_be_is_refused_with_its_reason(make, error):
    with pytest.raises(error, match=";"):
        make()


@pytest.mark.parametrize(
    ("section", "field", "index", "value"),
    [
        ("sides", "best_price", 0, 99),
        ("pages", "bitmap", 1, 3),
        ("orders", "quantity", 1, 0),
        ("orders", "prev", 2, 0),
        ("levels", "quantity", 64 + 100 % 64, 7),
        ("header", "live_orders", 0, 1),
        ("header", "fresh_order", 0, 9),
        ("books", "version", 0, 3),
    ],
)
def test_check_finds_damage(ladder_type, section, field, index, value):
    ladder = ladder_type(orders=10)
    submitted(ladder, orders_at([100, 100, 101]))
    getattr(ladder._sections, section)[field][index] = value
    with pytest.raises(BrokenInvariant, match="not so, that"):
        ladder.check()


def test_a_ladder_of_many_symbols_has_room_for_no_more_than_its_directory_can_name():
    """Each page may bring three summary words; both are named by 21 bits."""
    assert 3 * PAGES_MAX < 2**21


def test_a_copy_is_a_book_of_its_own(ladder_type):
    ladder = ladder_type(orders=10)
    submitted(ladder, orders_at([100]))
    copied = copy.deepcopy(ladder)
    submitted(copied, orders_at([101], first_id=2))
    assert [len(book.orders(0)) for book in (ladder, copied)] == [1, 2]


def test_a_snapshot_that_needs_more_pages_than_there_are_is_refused_before_anything_is_written(
    ladder_type,
):
    wide = ladder_type(orders=50)
    submitted(wide, orders_at([64 * n for n in range(1, 51)]))
    narrow = ladder_type(orders=100, pages=2)
    with pytest.raises(CapacityError, match="50 pages"):
        narrow.load(wide.save())
    assert len(narrow.live_orders()) == 0


@pytest.mark.parametrize(
    ("section", "field"), [("books", "version"), ("header", "directory_version")]
)
def test_a_book_whose_writer_ended_in_a_command_is_refused(ladder_type, section, field):
    ladder = ladder_type(orders=10)
    submitted(ladder, orders_at([100]))
    getattr(ladder._sections, section)[field] += 1
    with pytest.raises(LayoutError, match="middle of a command"):
        ladder_type.attach(ladder.buffer)


def test_the_directory_tells_when_it_was_written(ladder_type):
    ladder = ladder_type(orders=10)
    version = ladder._sections.header["directory_version"]
    submitted(ladder, orders_at([100]))
    first = int(version[0])
    submitted(ladder, orders_at([101], first_id=2))  # the same page: the directory stays
    assert first > 0 and first % 2 == 0 and version[0] == first


def test_a_read_only_buffer_is_refused(ladder_type):
    buffer = ladder_type(orders=10).buffer
    buffer.flags.writeable = False
    with pytest.raises(LayoutError, match="read-only"):
        ladder_type.attach(buffer)


# -- few pages, of 64 prices each, and stops that move ---------------------------------------------

TRADE_AT_1000 = """
    sell 1 1@1000
    buy 2 1@1000
      TRADE 2 buy 1@1000 left 0, 1 left 0
"""


def test_a_trailing_stop_for_whose_trigger_there_is_no_page_stays_and_follows_later(play_ladder):
    """Pages: 960 .. 1023 of the stops, 1088 .. 1151 of the asks; none for a trigger at 1060."""
    play = play_ladder(orders=8, pages=2)
    play(TRADE_AT_1000)
    play("""
        sell 9 5@market trail 40
          RESTED/STOP 9 sell 0@960 left 5
        sell 8 5@market stop 961
          RESTED/STOP 8 sell 0@961 left 5
        sell 3 9@1100
        buy 4 1@1100 ioc
          TRADE 4 buy 1@1100 left 0, 3 left 8
        orders: 3:8 8:5 9:5
    """)
    assert play.engine.order(0, 9)["price"] == 960
    play("""
        buy 5 1@900
          REJECTED BOOK_FULL
        reduce 3 1
          REDUCED/REQUESTED 3 sell 1@1100 left 7
    """)
    assert play.engine.order(0, 9)["price"] == 960
    play("""
        cancel 3                    # its page is free again
          CANCELLED/REQUESTED 3 sell 7@1100
        orders: 9:5 8:5
    """)
    assert play.engine.order(0, 9)["price"] == 1060
    play("""
        cancel 8
          CANCELLED/REQUESTED 8 sell 5@961
        sell 6 1@1050
        buy 7 1@1050 ioc
          TRADE 7 buy 1@1050 left 0, 6 left 0
          TRIGGERED/STOP 9 sell 5@1060
          CANCELLED/MARKET_RESIDUE 9 sell 5@0
        orders:
    """)


def test_a_trailing_stop_that_stayed_follows_the_last_price_of_then(play_ladder):
    """It finds no page at 1100 - 40, and when there is one the last price is 1089."""
    play = play_ladder(orders=8, pages=2)
    play(TRADE_AT_1000)
    play("""
        sell 9 5@market trail 40
          RESTED/STOP 9 sell 0@960 left 5
        sell 8 5@market stop 961
          RESTED/STOP 8 sell 0@961 left 5
        sell 3 1@1110
        sell 4 1@1100
        buy 5 1@1100 ioc
          TRADE 5 buy 1@1100 left 0, 4 left 0
        sell 6 1@1089
        buy 7 1@1089 ioc
          TRADE 7 buy 1@1089 left 0, 6 left 0
    """)
    assert play.engine.order(0, 9)["price"] == 960
    play("cancel 3\n CANCELLED/REQUESTED 3 sell 1@1110\n orders: 9:5 8:5")
    assert play.engine.order(0, 9)["price"] == 1049


def test_a_trailing_stop_alone_on_its_page_takes_that_page_along(play_ladder):
    play = play_ladder(orders=8, pages=2)
    play(TRADE_AT_1000)
    play("""
        sell 9 5@market trail 40
          RESTED/STOP 9 sell 0@960 left 5
        sell 3 9@1100
        buy 4 1@1100 ioc
          TRADE 4 buy 1@1100 left 0, 3 left 8
        orders: 3:8 9:5
    """)
    assert play.engine.order(0, 9)["price"] == 1060


def _lots_at_300(taker, wanted, lots, hidden):
    """Return the script of ``lots`` turns with iceberg 5, which has ``hidden`` lots."""
    return "\n".join(
        f"TRADE {taker} buy 1@300 left {wanted - turn}, 5 left {hidden - turn}\n"
        f"REFRESHED 5 sell 1@300 left {hidden - turn}"
        for turn in range(1, lots + 1)
    )


@pytest.mark.parametrize("orders", [8, 5_000])
def test_triggered_stops_that_go_back_find_the_page_that_they_came_from(play_ladder, orders):
    """Of two pages the asks have one; the other is held while a stop may have to go back to it."""
    play = play_ladder(orders=orders, pages=2)
    play(f"""
        sell 5 1000@300 display 1
          RESTED/SLICED 5 sell 1@300 left 1000
        buy 11 1@210 stop 200
          RESTED/STOP 11 buy 0@200 left 1
        buy 12 500@market stop 201
          RESTED/STOP 12 buy 0@201 left 500
        buy 13 1@market stop 202
          RESTED/STOP 13 buy 0@202 left 1
        buy 14 1@market stop 202
          RESTED/STOP 14 buy 0@202 left 1
        buy 20 1@300 ioc            # a turn, 11 one, 12 one and the 253 that are left
          TRADE 20 buy 1@300 left 0, 5 left 999
          REFRESHED 5 sell 1@300 left 999
          TRIGGERED/STOP 11 buy 1@200
          CANCELLED/BOOK_FULL 11 buy 1@210
          TRIGGERED/STOP 12 buy 500@201
          {_lots_at_300(12, 500, 253, 999)}
          CANCELLED/TOO_MANY_TURNS 12 buy 247@0
        orders: 5:746 13:1 14:1
        reduce 5 46
          REDUCED/REQUESTED 5 sell 46@300 left 700
          TRIGGERED/STOP 13 buy 1@202
          {_lots_at_300(13, 1, 1, 700)}
          TRIGGERED/STOP 14 buy 1@202
          {_lots_at_300(14, 1, 1, 699)}
        orders: 5:698
        buy 21 1@210                # and now the page is free
        depth: 1@210 | 1@300
    """)


def test_triggered_stops_that_go_back_stand_as_they_did(play_ladder):
    """By trigger, then by arrival; one of them can be cancelled, and the others go on."""
    play = play_ladder(orders=8, pages=2)
    play(f"""
        sell 5 1000@300 display 1
          RESTED/SLICED 5 sell 1@300 left 1000
        buy 12 500@market stop 201
          RESTED/STOP 12 buy 0@201 left 500
        buy 13 1@market stop 202
          RESTED/STOP 13 buy 0@202 left 1
        buy 14 1@market stop 202
          RESTED/STOP 14 buy 0@202 left 1
        buy 15 1@market stop 203
          RESTED/STOP 15 buy 0@203 left 1
        buy 20 1@300 ioc
          TRADE 20 buy 1@300 left 0, 5 left 999
          REFRESHED 5 sell 1@300 left 999
          TRIGGERED/STOP 12 buy 500@201
          {_lots_at_300(12, 500, 254, 999)}
          CANCELLED/TOO_MANY_TURNS 12 buy 246@0
        orders: 5:745 13:1 14:1 15:1
        cancel 14
          CANCELLED/REQUESTED 14 buy 1@202
          TRIGGERED/STOP 13 buy 1@202
          {_lots_at_300(13, 1, 1, 745)}
          TRIGGERED/STOP 15 buy 1@203
          {_lots_at_300(15, 1, 1, 744)}
        orders: 5:743
    """)
