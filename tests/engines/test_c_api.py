"""The C library: a client in C11 built with the machine's own cc, and the same calls by ctypes."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from engines.matching import IMPLEMENTATIONS, Clock
from engines.matching.ladder_layout import bytes_needed
from engines.matching.price_ladder import PriceLadder
from engines.messages import COMMAND, EVENT, PRICE_MAX

missing = IMPLEMENTATIONS["native"].missing
pytestmark = pytest.mark.skipif(bool(missing), reason=missing)

CLIENT = Path(__file__).with_name("c_client.c")
INCLUDE = Path(__file__).parents[2] / "engines" / "matching" / "native" / "include"
# a wide book, a full one, and many with everything in them
MARKETS = ["one wide book", "a full book", "at the highest price", "many books"]


@pytest.fixture(scope="module")
def library_path():
    """Return where the library was installed."""
    from engines.matching.native import library_path

    return library_path()


@pytest.fixture(scope="module", params=MARKETS)
def flow(request, drive, full_flows):
    """Return commands of a market, every rule in force, and the engine that took them from Python.

    They end when many orders live: what is shown of an empty book proves little.
    """
    market = full_flows.MARKETS[request.param]
    engine, maker = create(market), full_flows.Flow(11, market)
    parts = []
    while len(parts) < 40 or len(engine.live_orders()) < market.orders // 4:
        parts.append(maker.stretch(engine.contents(), 50))
        drive(engine, parts[-1])
    return np.concatenate(parts), engine, market


def create(market, name="native"):
    sizes = dict(symbols=market.symbols, owners=market.owners + 1)
    return IMPLEMENTATIONS[name].create(market.orders, **sizes)


def books_of(engine, symbols):
    """Return for each symbol what the client prints of it, from the depth that Python shows."""
    rows = []
    for symbol in range(symbols):
        bids, asks = (
            dict(side[["price", "quantity"]].tolist()) for side in engine.depth(symbol, 99)
        )
        best = max(bids, default=0), min(asks, default=0)
        row = [*best]
        for side, price in zip((bids, asks), best, strict=True):
            row += [side.get(price + beside, 0) for beside in (-1, 0, 1)]
        rows.append(row)
    return rows


# -- from C -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def client(tmp_path_factory, library_path):
    """Return the client, compiled and linked against the library as anybody would."""
    compiler = shutil.which("cc")
    if not compiler:
        pytest.skip("no C compiler is called cc here; Debian, Ubuntu: apt install build-essential")
    program = tmp_path_factory.mktemp("client") / "c_client"
    warnings = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    command = [compiler, "-std=c11", "-O1", *warnings, f"-I{INCLUDE}", str(CLIENT)]
    command += ["-o", str(program), str(library_path), f"-Wl,-rpath,{library_path.parent}"]
    subprocess.run(command, check=True)
    return program


@pytest.mark.parametrize(("batch", "room"), [(1, 1), (7, 3), (256, 64), (10**6, 10**6)])
@pytest.mark.parametrize("way", ["submit", "run"])
def test_a_client_in_c_has_the_bytes_and_the_books_that_python_has(
    tmp_path, drive, client, flow, way, batch, room
):
    commands, engine, market = flow
    expected = drive(create(market), commands)
    given, told = tmp_path / "commands", tmp_path / "events"
    commands.tofile(given)
    sizes = [market.orders, market.symbols, market.owners + 1, batch, room]
    done = subprocess.run(
        [client, way, given, told, *map(str, sizes)], capture_output=True, text=True, check=True
    )
    assert told.read_bytes() == expected.tobytes()
    (live, times), *books = [list(map(int, line.split())) for line in done.stdout.splitlines()]
    assert live == len(engine.live_orders())
    assert times >= max(len(commands) / batch, len(expected) / room, 1)
    assert books == books_of(engine, market.symbols)


# -- from Python, by ctypes ---------------------------------------------------------------------

RECEIVE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
SIZES = [ctypes.c_uint32] * 4


class Times(ctypes.Structure):
    """``exchange_lab_times``."""

    _fields_ = [("ticks", ctypes.c_void_p), ("clock", ctypes.c_int)]


@pytest.fixture(scope="module")
def library(library_path):
    """Return the library with its functions' types."""
    library, pointer, size = ctypes.CDLL(library_path), ctypes.c_void_p, ctypes.c_size_t
    types = {
        "bytes_needed": (size, SIZES),
        "create": (pointer, SIZES),
        "open": (pointer, [pointer, size, *SIZES]),
        "submit": (size, [pointer, pointer, size, pointer, size, ctypes.POINTER(Times), pointer]),
        "run": (size, [pointer, pointer, size, pointer, size, size, RECEIVE, pointer]),
        "best_bid": (ctypes.c_int32, [pointer, ctypes.c_uint16]),
        "best_ask": (ctypes.c_int32, [pointer, ctypes.c_uint16]),
        "quantity_at": (
            ctypes.c_int64,
            [pointer, ctypes.c_uint16, ctypes.c_uint8, ctypes.c_int32],
        ),
        "live_orders": (ctypes.c_uint32, [pointer]),
        "destroy": (None, [pointer]),
    }
    for name, (result, arguments) in types.items():
        function = getattr(library, f"exchange_lab_{name}")
        function.restype, function.argtypes = result, arguments
    return library


class Client:
    """A ``MatchingEngine.submit`` made of C calls, so that tests can drive it as any engine."""

    def __init__(self, library, engine):
        assert engine
        self.library, self.engine = library, engine

    def submit(self, commands, events, ticks=None):
        times = None if ticks is None else Times(ticks.ctypes.data, 2)
        written = ctypes.c_size_t(99)
        taken = self.library.exchange_lab_submit(
            self.engine, commands.ctypes.data, len(commands), events.ctypes.data, len(events),
            times, ctypes.byref(written),
        )  # fmt: skip
        return taken, written.value

    def run(self, commands, room, every, receive):
        """Return the commands taken; ``receive`` gets copies of events."""
        events = np.zeros(room, EVENT)

        def receive_records(_context, address, count):
            assert address == events.ctypes.data and 1 <= count <= room
            return receive(events[:count].copy())

        return self.library.exchange_lab_run(
            self.engine, commands.ctypes.data, len(commands), events.ctypes.data, room, every,
            RECEIVE(receive_records), None,
        )  # fmt: skip


@pytest.fixture
def connect(library):
    """Return what makes engines of the library; they are destroyed afterwards."""
    clients = []

    def make(market):
        sizes = market.orders, market.symbols, market.owners + 1, 0
        clients.append(Client(library, library.exchange_lab_create(*sizes)))
        return clients[-1]

    yield make
    for client in clients:
        library.exchange_lab_destroy(client.engine)


@pytest.mark.parametrize("ticks", [False, True])
def test_submit_by_ctypes_has_the_same_bytes(drive, connect, flow, ticks):
    commands, _, market = flow
    actual = drive(connect(market), commands, room=[5, 1, 400], batch=[1, 90, 3], ticks=ticks)
    assert actual.tobytes() == drive(create(market), commands).tobytes()


@pytest.mark.parametrize("code", [1, 2])
def test_the_time_of_each_command_is_measured(library, connect, flow, code):
    commands, engine, market = flow
    if code == 1 and engine.clock is not Clock.CYCLES:
        pytest.skip("this processor has no cycle counter that may be read")
    client, ticks = connect(market), np.zeros(30, np.int64)
    times, written = Times(ticks.ctypes.data, code), ctypes.c_size_t()
    events = np.zeros(10**4, EVENT)
    library.exchange_lab_submit(
        client.engine, commands.ctypes.data, 20, events.ctypes.data, len(events), times,
        ctypes.byref(written),
    )  # fmt: skip
    assert (ticks[:20] > 0).all() and not ticks[20:].any()


def test_events_come_while_the_batch_is_still_running(library, drive, connect, flow):
    commands, _, market = flow
    client, parts, live = connect(market), [], []

    def receive(events):
        parts.append(events)
        live.append(library.exchange_lab_live_orders(client.engine))
        return 0

    assert client.run(commands, 4_096, 10, receive) == len(commands)
    assert np.concatenate(parts).tobytes() == drive(create(market), commands).tobytes()
    assert len(parts) == len(commands) / 10
    # the first ten commands have been carried out by then, and no other
    assert parts[0]["sequence"].max() == commands["sequence"][9]
    assert live[0] <= 10 < max(live)


def test_a_receiver_ends_the_batch_and_the_next_goes_on_from_there(drive, connect, flow):
    commands, _, market = flow
    client, parts = connect(market), []

    def receive(events):
        parts.append(events)
        return len(parts) % 3 == 0

    taken = 0
    while taken < len(commands):
        now = client.run(commands[taken:], 4, 5, receive)
        assert now < len(commands) - taken or taken + now == len(commands)
        taken += now
    client.run(commands[:0], 10**5, 1, receive)
    assert np.concatenate(parts).tobytes() == drive(create(market), commands).tobytes()


@pytest.mark.parametrize("other", ["native", "price_ladder"])
def test_an_engine_opened_on_a_buffer_continues_what_stands_there(library, drive, flow, other):
    """From Python to C in the middle of the flow, with events that wait, and back."""
    commands, _, market = flow
    expected = drive(create(market), commands)
    engine, first, events = create(market, other), len(commands) // 2, np.zeros(10**4, EVENT)
    _, written = engine.submit(commands[:first], events)
    told = [events[:written].copy()]
    taken, _ = engine.submit(commands[first:], events[:1])
    told.append(events[:1].copy())
    first += taken
    sizes = market.orders, market.symbols, market.owners + 1, 0
    buffer = engine.buffer
    pages = len(engine._sections.pages) - 1
    needed = bytes_needed(market.orders, market.symbols, pages, market.owners + 1)
    assert library.exchange_lab_bytes_needed(*sizes) == needed <= len(buffer)
    opened = library.exchange_lab_open(buffer.ctypes.data, len(buffer), *sizes)
    told.append(drive(Client(library, opened), commands[first:-9], room=50))
    library.exchange_lab_destroy(opened)
    again = PriceLadder.attach(buffer)
    again.check()
    told.append(drive(again, commands[-9:]))
    assert np.concatenate(told).tobytes() == expected.tobytes()


def test_a_new_buffer_becomes_an_engine_that_python_attaches_to(library, full_flows):
    market = full_flows.MARKETS["one wide book"]
    sizes = market.orders, market.symbols, market.owners + 1, 0
    room = library.exchange_lab_bytes_needed(*sizes)
    buffer = np.zeros(room + 64, np.uint8)
    buffer = buffer[-buffer.ctypes.data % 64 :][:room]
    opened = library.exchange_lab_open(buffer.ctypes.data, room, *sizes)
    assert opened
    library.exchange_lab_destroy(opened)
    engine = create(market, "price_ladder")
    assert buffer.tobytes() == engine.buffer[:room].tobytes()
    assert PriceLadder.attach(buffer).digest() == engine.digest()


@pytest.mark.parametrize("damage", ["magic", "version", "odd", "small", "other sizes", "busy"])
def test_a_buffer_that_holds_something_else_is_refused(library, damage):
    sizes = (10, 1, 4, 0)
    room = library.exchange_lab_bytes_needed(*sizes)
    memory = np.zeros(2 * room, np.uint8)
    buffer = memory[-memory.ctypes.data % 64 :][:room]
    library.exchange_lab_destroy(library.exchange_lab_open(buffer.ctypes.data, room, *sizes))
    address, length = buffer.ctypes.data, room
    if damage == "magic":
        buffer[0] ^= 1
    elif damage == "version":
        buffer[8] += 1
    elif damage == "busy":
        PriceLadder.attach(buffer)._sections.books["version"][0] = 1
    elif damage == "odd":
        address += 1
    elif damage == "small":
        length -= 1
    else:
        sizes = (11, 1, 4, 0)
        length = library.exchange_lab_bytes_needed(*sizes)
    assert not library.exchange_lab_open(address, length, *sizes)


@pytest.mark.parametrize(
    "sizes",
    [
        (0, 1, 0, 0), (2**26 + 1, 1, 0, 0), (1, 0, 0, 0), (1, 65_536, 0, 0),
        (1, 1, 2**20 + 1, 0), (1, 1, 0, 349_525),
    ],
)  # fmt: skip
def test_sizes_that_cannot_be_give_no_engine(library, sizes):
    assert library.exchange_lab_bytes_needed(*sizes) == 0
    assert not library.exchange_lab_create(*sizes)


def test_what_is_not_there_is_zero(library, connect, full_flows):
    engine = connect(full_flows.Market()).engine
    for symbol in (0, 1, 65_535):
        assert library.exchange_lab_best_bid(engine, symbol) == 0
        assert library.exchange_lab_best_ask(engine, symbol) == 0
        for side in (0, 1, 2, 255):
            for price in (-(2**31), -1, 0, 1, 64, PRICE_MAX):
                assert library.exchange_lab_quantity_at(engine, symbol, side, price) == 0
    assert library.exchange_lab_live_orders(engine) == 0
    library.exchange_lab_destroy(None)


def test_each_price_level_has_the_quantity_that_depth_shows(library, drive, connect, flow):
    commands, engine, market = flow
    client = connect(market)
    drive(client, commands)
    levels = 0
    for symbol in range(market.symbols):
        for side, rows in enumerate(engine.depth(symbol, 10**6)):
            levels += len(rows)
            for price, _, quantity in rows.tolist():
                assert quantity == library.exchange_lab_quantity_at(
                    client.engine, symbol, side, price
                )
    assert levels > 0


def test_the_header_has_the_records_of_messages(client):
    """Sizes and, by the bytes above, places; here that nobody adds a field to one of them alone."""
    text = (INCLUDE / "exchange_lab.h").read_text(encoding="utf-8")
    for record, dtype in (("command", COMMAND), ("event", EVENT)):
        body = text.split(f"struct exchange_lab_{record} {{")[1].split("}")[0]
        names = [line.split(";")[0].split()[1] for line in body.splitlines() if ";" in line]
        assert tuple(names) == dtype.names
