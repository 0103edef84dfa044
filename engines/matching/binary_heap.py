"""Two heaps of slotted orders a symbol, in plain Python: the log's second engine.

It is what good plain Python gives, and so the baseline that a compiled structure has to beat. The
book itself, with its lazy deletion, is in ``heap_book``. Stops, icebergs, auctions and the like it
rejects as UNSUPPORTED.

Two choices carry the speed (one core of an EPYC Milan): ``struct`` unpacks a command in 0.15 µs,
where ``ndarray.tolist`` takes 0.65, and packs an event into one bytearray in 0.35, where filling
an array of records from tuples takes 1.1.
"""

from __future__ import annotations

import gc
from heapq import heappop
from struct import Struct
from time import perf_counter_ns

import numpy as np

from engines.errors import BrokenInvariant
from engines.matching.api import MatchingEngine, check_arrays
from engines.matching.heap_book import BUY, SELL, Book, Order
from engines.matching.snapshots import require_plain
from engines.messages import (
    COMMAND,
    EVENT,
    LAST_BIT,
    LEVEL,
    ORDER,
    PRICE_MAX,
    SIDE_BIT,
    CommandKind,
    Contents,
    EventKind,
    Flag,
    OrderType,
    Reason,
    SelfTradePrevention,
    TimeInForce,
)
from engines.messages import SYMBOL as SYMBOL_RECORD

_STRUCT_CODES = {"u8": "Q", "i8": "q", "u4": "I", "i4": "i", "u2": "H", "u1": "B"}


def _struct_of(dtype: np.dtype) -> Struct:
    """Return the struct that packs and unpacks records of a packed, little-endian dtype."""
    assert dtype.names is not None
    return Struct("<" + "".join(_STRUCT_CODES[dtype[name].str[1:]] for name in dtype.names))


_unpack_commands = _struct_of(COMMAND).iter_unpack
_pack_event = _struct_of(EVENT).pack
_EVENT_BYTES = EVENT.itemsize
_KIND_FROM_END = EVENT.fields["kind"][1] - EVENT.itemsize  # type: ignore[index]

# Where the fields of an unpacked command stand.
_PLACES = {name: place for place, name in enumerate(COMMAND.names or ())}
SEQUENCE, TIME_NS, ORDER_ID = _PLACES["sequence"], _PLACES["time_ns"], _PLACES["order_id"]
REF, PRICE, QUANTITY = _PLACES["ref"], _PLACES["price"], _PLACES["quantity"]
OWNER, SYMBOL, KIND, SIDE = (_PLACES[name] for name in ("owner", "symbol", "kind", "side"))
ORDER_TYPE = _PLACES["order_type"]
# Plain integers: a member of an IntEnum costs two lookups where its value costs one load.
SIDES = (0, SIDE_BIT)  # a side as the kind byte of an event holds it
LIMIT, MARKET = int(OrderType.LIMIT), int(OrderType.MARKET)
STOP_LIMIT, TRAILING_STOP = int(OrderType.STOP_LIMIT), int(OrderType.TRAILING_STOP)
WITHOUT_LIMIT = (MARKET, int(OrderType.STOP), TRAILING_STOP)
GTC, IOC, GTD = int(TimeInForce.GTC), int(TimeInForce.IOC), int(TimeInForce.GTD)
AT_ONCE = (IOC, int(TimeInForce.FOK))
POST_ONLY, REPRICE = int(Flag.POST_ONLY), int(Flag.REPRICE)
ALL_OR_NONE = int(Flag.ALL_OR_NONE)
TIME_MAX = 2**63 - 1
ORDER_TYPE_MAX, TIF_MAX = int(max(OrderType)), int(max(TimeInForce))
STP_MAX, FLAGS_MAX = int(max(SelfTradePrevention)), sum(Flag)
ACCEPTED, TRADE = int(EventKind.ACCEPTED), int(EventKind.TRADE)
REDUCED, REPLACED = int(EventKind.REDUCED), int(EventKind.REPLACED)
CANCELLED, REJECTED = int(EventKind.CANCELLED), int(EventKind.REJECTED)
REQUESTED, REDUCED_TO_ZERO = int(Reason.REQUESTED), int(Reason.REDUCED_TO_ZERO)
IOC_RESIDUE, MARKET_RESIDUE = int(Reason.IOC_RESIDUE), int(Reason.MARKET_RESIDUE)
PRIORITY_KEPT, PRIORITY_LOST = int(Reason.PRIORITY_KEPT), int(Reason.PRIORITY_LOST)


class BinaryHeap(MatchingEngine):
    """Two heaps a symbol with lazy deletion. See ``engines.matching.api`` for the contract."""

    name = "binary_heap"

    def __init__(self, orders: int, symbols: int = 1) -> None:
        super().__init__(orders, symbols)
        self._books = [Book() for _ in range(symbols)]
        self._live = 0
        self._out = bytearray()  # events that are not delivered yet
        self._sequence = 0
        steps = [self._unknown_kind] * 256
        for kind in CommandKind:
            steps[kind] = self._unsupported
        steps[CommandKind.NEW] = self._new
        steps[CommandKind.CANCEL] = self._cancel
        steps[CommandKind.REDUCE] = self._reduce
        steps[CommandKind.REPLACE] = self._replace
        self._steps = steps

    # -- commands in, events out ----------------------------------------------------------------

    def submit(
        self, commands: np.ndarray, events: np.ndarray, ticks: np.ndarray | None = None
    ) -> tuple[int, int]:
        """Take commands in order and write what happened; see ``MatchingEngine.submit``."""
        check_arrays(commands, events, ticks)
        room_bytes = len(events) * _EVENT_BYTES
        # Orders form no cycles, so the collector finds nothing, and looking costs a quarter of the
        # throughput and pauses of 30 ms at 50,000 live orders.
        collecting = gc.isenabled()
        gc.disable()
        try:
            if ticks is None:
                taken = self._run(commands, room_bytes)
            else:
                taken = self._run_timed(commands, room_bytes, ticks)
        finally:
            if collecting:
                gc.enable()
        if taken:
            self._sequence = int(commands["sequence"][taken - 1])
        return taken, self._deliver(events)

    def _run(self, commands: np.ndarray, room_bytes: int) -> int:
        """Carry commands out until one's events no longer fit; return how many were taken."""
        out, steps = self._out, self._steps
        taken = 0
        for command in _unpack_commands(commands):  # type: ignore[arg-type]
            if len(out) > room_bytes:
                break
            steps[command[KIND]](command)
            taken += 1
        return taken

    def _run_timed(self, commands: np.ndarray, room_bytes: int, ticks: np.ndarray) -> int:
        """As ``_run``, with the time of each command: from unpacking it to packing its events."""
        out, steps = self._out, self._steps
        unpack_next = _unpack_commands(commands).__next__  # type: ignore[arg-type]
        times: list[int] = []
        for _ in range(len(commands)):
            if len(out) > room_bytes:
                break
            start = perf_counter_ns()
            command = unpack_next()
            steps[command[KIND]](command)
            times.append(perf_counter_ns() - start)
        ticks[: len(times)] = times
        return len(times)

    def _deliver(self, events: np.ndarray) -> int:
        """Move waiting events to the caller's buffer; return how many."""
        count_bytes = min(len(self._out), len(events) * _EVENT_BYTES)
        if count_bytes:
            events.view(np.uint8)[:count_bytes] = np.frombuffer(self._out, np.uint8, count_bytes)
            del self._out[:count_bytes]
        return count_bytes // _EVENT_BYTES

    # -- what each command does -----------------------------------------------------------------

    def _new(self, command: tuple) -> None:
        # fmt: off
        (sequence, time_ns, order_id, _, price, stop_price, quantity, display, minimum, owner,
         symbol, _, order_type, side, tif, stp, flags) = command
        # fmt: on
        # One test for the plain order; what is not plain takes the road through every check.
        if (
            (order_type or tif or stp or flags or stop_price or display or minimum)
            or not order_id
            or side > SELL
            or quantity < 1
            or price < 1
            or symbol >= self.symbols_max
        ):
            reason = _why_fields_rejected(command, self.symbols_max)
            if reason:
                return self._reject(command, reason)
        book = self._books[symbol]
        if order_id in book.orders:
            return self._reject(command, Reason.DUPLICATE_ID)
        may_rest = order_type == LIMIT and tif == GTC
        if may_rest and self._live >= self.orders_max:
            return self._reject(command, Reason.BOOK_FULL)
        out = self._out
        # fmt: off
        out += _pack_event(sequence, time_ns, order_id, 0, price, quantity, quantity, 0, owner, 0,
                           0, symbol, ACCEPTED | SIDES[side], 0)
        # fmt: on
        order = Order(order_id, owner, price, quantity, side)
        index = self._match(command, book, order)
        if order.quantity:
            if may_rest:
                book.rest(order)
                self._live += 1
            else:
                reason = IOC_RESIDUE if order_type == LIMIT else MARKET_RESIDUE
                self._end(command, order, index, reason)
        out[_KIND_FROM_END] |= LAST_BIT

    def _cancel(self, command: tuple) -> None:
        found = self._find(command)
        if found:
            book, order = found
            self._end(command, order, 0, REQUESTED)
            self._remove(book, order)

    def _reduce(self, command: tuple) -> None:
        quantity = command[QUANTITY]
        found = self._find(command, Reason.BAD_QUANTITY if quantity < 1 else 0)
        if not found:
            return
        book, order = found
        if quantity >= order.quantity:
            self._end(command, order, 0, REDUCED_TO_ZERO)
            return self._remove(book, order)
        order.quantity -= quantity
        # fmt: off
        self._out += _pack_event(command[SEQUENCE], command[TIME_NS], order.order_id, 0,
                                 order.price, quantity, order.quantity, 0, order.owner, 0, 0,
                                 command[SYMBOL], REDUCED | LAST_BIT | SIDES[order.side], REQUESTED)
        # fmt: on

    def _replace(self, command: tuple) -> None:
        new_id, price, quantity = command[REF], command[PRICE], command[QUANTITY]
        wrong = Reason.BAD_QUANTITY if quantity < 1 else Reason.BAD_PRICE if price < 1 else 0
        found = self._find(command, wrong)
        if not found:
            return
        book, old = found
        if not new_id:
            new_id = old.order_id
        elif new_id != old.order_id and new_id in book.orders:
            return self._reject(command, Reason.DUPLICATE_ID)
        keeps = price == old.price and quantity <= old.quantity
        reason = PRIORITY_KEPT if keeps else PRIORITY_LOST
        # fmt: off
        self._out += _pack_event(command[SEQUENCE], command[TIME_NS], new_id, old.order_id, price,
                                 quantity, quantity, old.quantity, old.owner, 0, 0,
                                 command[SYMBOL], REPLACED | SIDES[old.side], reason)
        # fmt: on
        if keeps:
            del book.orders[old.order_id]
            old.order_id, old.quantity = new_id, quantity
            book.orders[new_id] = old
        else:
            self._remove(book, old)
            order = Order(new_id, old.owner, price, quantity, old.side)
            self._match(command, book, order)
            if order.quantity:
                book.rest(order)
                self._live += 1
        self._out[_KIND_FROM_END] |= LAST_BIT

    def _match(self, command: tuple, book: Book, taker: Order) -> int:
        """Trade with the other side up to the taker's price; return the next event's index."""
        side = taker.side
        limit = taker.price or (PRICE_MAX if side == BUY else 0)
        worst_key = book.worst_key(1 - side, limit)
        heap, index, remaining = book.heaps[1 - side], 1, taker.quantity
        while remaining and heap and heap[0][0] < worst_key:
            maker = heap[0][1]
            if not maker.quantity:
                heappop(heap)
                book.dead[1 - side] -= 1
                continue
            quantity = remaining if remaining < maker.quantity else maker.quantity
            remaining -= quantity
            maker.quantity -= quantity
            # fmt: off
            self._out += _pack_event(command[SEQUENCE], command[TIME_NS], taker.order_id,
                                     maker.order_id, maker.price, quantity, remaining,
                                     maker.quantity, taker.owner, maker.owner, index,
                                     command[SYMBOL], TRADE | SIDES[side], 0)
            # fmt: on
            index += 1
            book.last_price = maker.price
            if not maker.quantity:
                heappop(heap)
                del book.orders[maker.order_id]
                self._live -= 1
        if index > 1:
            taker.quantity = remaining
            book.sweep(1 - side)  # fewer live entries: the dead may now be more than half
        return index

    # -- parts of them --------------------------------------------------------------------------

    def _find(self, command: tuple, wrong: int = 0) -> tuple[Book, Order] | None:
        """Return the live order that a command names and its book; reject it where it has none."""
        symbol, order_id = command[SYMBOL], command[ORDER_ID]
        if symbol >= self.symbols_max:
            self._reject(command, Reason.UNKNOWN_SYMBOL)
            return None
        if not order_id:
            self._reject(command, Reason.BAD_ID)
            return None
        if wrong:
            self._reject(command, wrong)
            return None
        book = self._books[symbol]
        order = book.orders.get(order_id)
        if order is None or order.owner != command[OWNER]:
            self._reject(command, Reason.UNKNOWN_ORDER)
            return None
        return book, order

    def _remove(self, book: Book, order: Order) -> None:
        """Take a live order out of its book."""
        book.remove(order)
        self._live -= 1

    def _end(self, command: tuple, order: Order, index: int, reason: int) -> None:
        """Say that all that remained of an order is cancelled; the last event of its command."""
        # fmt: off
        self._out += _pack_event(command[SEQUENCE], command[TIME_NS], order.order_id, 0,
                                 order.price, order.quantity, 0, 0, order.owner, 0, index,
                                 command[SYMBOL], CANCELLED | LAST_BIT | SIDES[order.side], reason)
        # fmt: on

    def _reject(self, command: tuple, reason: int) -> None:
        """Echo a command that was not carried out."""
        # fmt: off
        self._out += _pack_event(command[SEQUENCE], command[TIME_NS], command[ORDER_ID],
                                 command[REF], command[PRICE], command[QUANTITY], 0, 0,
                                 command[OWNER], 0, 0, command[SYMBOL],
                                 REJECTED | LAST_BIT | SIDES[command[SIDE] & 1], reason)
        # fmt: on

    def _unknown_kind(self, command: tuple) -> None:
        self._reject(command, Reason.UNKNOWN_KIND)

    def _unsupported(self, command: tuple) -> None:
        self._reject(command, Reason.UNSUPPORTED)

    # -- looking inside -------------------------------------------------------------------------

    def orders(self, symbol: int) -> np.ndarray:
        """Return the live orders of a symbol; see ``MatchingEngine.orders``."""
        self.require_symbol(symbol)
        book = self._books[symbol]
        rows = [_row(order, symbol) for side in (BUY, SELL) for order in book.queue(side)]
        return np.array(rows, ORDER)

    def live_orders(self) -> np.ndarray:
        """Return every live order of every symbol; the books without any are passed over."""
        books = [self.orders(symbol) for symbol, book in enumerate(self._books) if book.orders]
        return np.concatenate(books) if books else np.zeros(0, ORDER)

    def order(self, symbol: int, order_id: int) -> np.void | None:
        """Return one live order, or None."""
        self.require_symbol(symbol)
        order = self._books[symbol].orders.get(order_id)
        return None if order is None else np.array([_row(order, symbol)], ORDER)[0]

    def depth(self, symbol: int, levels: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the best price levels of both sides."""
        self.require_symbol(symbol)
        bids, asks = (self._books[symbol].levels(side)[:levels] for side in (BUY, SELL))
        return np.array(bids, LEVEL), np.array(asks, LEVEL)

    def symbol_records(self) -> np.ndarray:
        """Return the symbols that have traded."""
        traded = [(symbol, book.last_price) for symbol, book in enumerate(self._books)]
        return np.array([(symbol, 0, 0, price) for symbol, price in traded if price], SYMBOL_RECORD)

    @property
    def last_sequence(self) -> int:
        """The sequence of the last command taken."""
        return self._sequence

    def undelivered(self) -> np.ndarray:
        """Return the events that wait for the next call."""
        return np.frombuffer(bytes(self._out), EVENT)

    def check(self) -> None:
        """Look at every invariant; raises BrokenInvariant."""
        for symbol, book in enumerate(self._books):
            if book.heaps[BUY] or book.heaps[SELL] or book.orders:
                book.check(symbol)
        live = sum(len(book.orders) for book in self._books)
        if live != self._live or live > self.orders_max:
            raise BrokenInvariant(
                f"{live} orders are live, {self._live} are counted, {self.orders_max} fit"
            )

    def _restore(self, contents: Contents, undelivered: np.ndarray, last_sequence: int) -> None:
        require_plain(contents, self.name)
        for order_id, price, quantity, owner, symbol, side, _ in contents.orders.tolist():
            self._books[symbol].rest(Order(order_id, owner, price, quantity, side))
        self._live = len(contents.orders)
        for symbol, _, _, last_price in contents.symbols.tolist():
            self._books[symbol].last_price = last_price
        self._out += undelivered.tobytes()
        self._sequence = last_sequence


def _why_fields_rejected(command: tuple, symbols_max: int) -> int:
    """Return the reason of the first check of a NEW's symbol and fields that fails, or 0.

    What the heap cannot do is looked at last, so a field that is wrong has the reason that it has
    on every engine.
    """
    # fmt: off
    (_, _, order_id, _, _, _, _, display, minimum, _,
     symbol, _, order_type, _, tif, stp, flags) = command
    # fmt: on
    if symbol >= symbols_max:
        return Reason.UNKNOWN_SYMBOL
    if not order_id:
        return Reason.BAD_ID
    reason = _why_codes_rejected(command) or _why_numbers_rejected(command)
    if reason:
        return reason
    if order_type > MARKET or tif > IOC or stp or flags or display or minimum:
        return Reason.UNSUPPORTED
    return 0


def _why_codes_rejected(command: tuple) -> int:
    """Return the reason of the first code that does not exist or goes with none of the others."""
    order_type, side, tif, stp, flags = command[ORDER_TYPE:]
    if side > SELL:
        return Reason.BAD_SIDE
    if order_type > ORDER_TYPE_MAX:
        return Reason.BAD_ORDER_TYPE
    if tif > TIF_MAX:
        return Reason.BAD_TIF
    if stp > STP_MAX:
        return Reason.BAD_STP
    if flags > FLAGS_MAX:
        return Reason.BAD_FLAGS
    whole = flags & ALL_OR_NONE
    if flags & POST_ONLY:
        clash = order_type != LIMIT or tif in AT_ONCE or whole
    else:
        clash = flags & REPRICE or (whole and order_type in WITHOUT_LIMIT)
    return Reason.BAD_FLAGS if clash else 0


def _why_numbers_rejected(command: tuple) -> int:
    """Return the reason of the first number that cannot be, for codes that can."""
    # fmt: off
    (_, time_ns, _, expiry_ns, price, stop_price, quantity, display, minimum, _,
     _, _, order_type, _, tif, _, flags) = command
    # fmt: on
    if quantity < 1:
        return Reason.BAD_QUANTITY
    lowest = 1 if order_type in (LIMIT, STOP_LIMIT) else 0
    if price < lowest or (price and order_type == TRAILING_STOP):
        return Reason.BAD_PRICE
    if stop_price if order_type <= MARKET else stop_price < 1:
        return Reason.BAD_STOP_PRICE
    shows_all = order_type in WITHOUT_LIMIT or tif in AT_ONCE or flags & ALL_OR_NONE
    if display if shows_all else not 0 <= display <= quantity:
        return Reason.BAD_DISPLAY_QUANTITY
    if minimum if flags & (POST_ONLY | ALL_OR_NONE) else not 0 <= minimum <= quantity:
        return Reason.BAD_MIN_QUANTITY
    if tif == GTD and not max(time_ns, 0) < expiry_ns <= TIME_MAX:
        return Reason.BAD_TIME
    return 0


def _row(order: Order, symbol: int) -> tuple:
    return (order.order_id, order.price, order.quantity, order.owner, symbol, order.side, 0)
