"""An order's commands in a price ladder with every rule in force: NEW, CANCEL, REDUCE, REPLACE.

The lean kernels hand over what they do not know: a rare order, or a book with attention. Read it
from the top: the checks in their order, then what each command does.
"""

from __future__ import annotations

import numpy as np

from engines.intrinsics import far
from engines.matching.ladder_events import EVENTS, REASONS, command_at, record, reject
from engines.matching.ladder_index import (
    ZERO,
    add_id,
    drop_id,
    fast,
    header_at,
    place_of,
    places_at,
    queue_at,
    side_at,
    slot_at,
    slot_of,
)
from engines.matching.ladder_layout import BUY_STOPS, Told
from engines.matching.ladder_orders import (
    BUY,
    PLACES,
    TIFS,
    TYPES,
    detach,
    end_order,
    give_terms,
    make_order,
    next_arrival,
    order_price,
    order_quantity,
    owner_at,
    owner_place,
    take_from,
)
from engines.matching.ladder_queues import book_at, lacks_room, no_room_to_wait, terms_at
from engines.matching.ladder_taking import (
    ALL_OR_NONE,
    POST_ONLY,
    REPRICE,
    STATES,
    come_in,
    crosses,
    fillable,
    repriced,
    start_stop,
    tell,
    tell_end,
    triggers,
    wait,
)
from engines.matching.ladder_waiting import settle, trailing_trigger
from engines.matching.rules import TURNS_MAX
from engines.messages import (
    ANY_OWNER,
    PRICE_MAX,
    CommandKind,
    Flag,
    OrderType,
    SelfTradePrevention,
    TimeInForce,
    codes,
)

COMMANDS = codes(CommandKind)
LAST_TYPE, LAST_TIF = int(max(OrderType)), int(max(TimeInForce))
LAST_STP, LAST_FLAGS = int(max(SelfTradePrevention)), int(sum(Flag))
TIME_MAX = np.uint64(2**63 - 1)


# -- checks of a NEW -------------------------------------------------------------------------------


@fast
def wrong_state(command, state):
    """Return whether a NEW or a REPLACE may not be entered in a state."""
    if state == STATES.HALTED or state == STATES.CLOSED:
        return True
    if state == STATES.CONTINUOUS or command.kind != COMMANDS.NEW:
        return False
    at_once = command.tif == TIFS.IOC or command.tif == TIFS.FOK
    return at_once or (command.order_type == TYPES.MARKET and command.price != 0)


@fast
def flags_clash(command):
    """Return whether flags do not go together, or not with the order."""
    flags, kind = command.flags, command.order_type
    if flags & REPRICE and not flags & POST_ONLY:
        return True
    at_once = command.tif == TIFS.IOC or command.tif == TIFS.FOK
    if flags & POST_ONLY and (kind != TYPES.LIMIT or at_once or flags & ALL_OR_NONE):
        return True
    return flags & ALL_OR_NONE != 0 and not has_limit(kind)


@fast
def has_limit(kind):
    """Return whether an order of this type is, or becomes, a limit order."""
    return kind == TYPES.LIMIT or kind == TYPES.STOP_LIMIT or kind == TYPES.TRAILING_STOP_LIMIT


@fast
def price_is_wrong(kind, price):
    """Return whether an order of this type cannot have this price."""
    if kind == TYPES.LIMIT or kind == TYPES.STOP_LIMIT:
        return price < 1
    return price < 0 or (kind == TYPES.TRAILING_STOP and price != 0)


@fast
def why_fields_rejected(command):
    """Return the first field of a NEW that is wrong, or 0."""
    kind = command.order_type
    if command.order_id == ZERO:
        return REASONS.BAD_ID
    if command.side > 1:
        return REASONS.BAD_SIDE
    if kind > LAST_TYPE:
        return REASONS.BAD_ORDER_TYPE
    if command.tif > LAST_TIF:
        return REASONS.BAD_TIF
    if command.stp > LAST_STP:
        return REASONS.BAD_STP
    if command.flags > LAST_FLAGS or flags_clash(command):
        return REASONS.BAD_FLAGS
    if command.quantity < 1:
        return REASONS.BAD_QUANTITY
    if price_is_wrong(kind, command.price):
        return REASONS.BAD_PRICE
    is_stop = kind >= TYPES.STOP
    if command.stop_price < 1 if is_stop else command.stop_price != 0:
        return REASONS.BAD_STOP_PRICE
    if command.display_quantity < 0 or command.display_quantity > command.quantity:
        return REASONS.BAD_DISPLAY_QUANTITY
    at_once = command.tif == TIFS.IOC or command.tif == TIFS.FOK
    whole = command.flags & ALL_OR_NONE != 0
    if command.display_quantity and (not has_limit(kind) or at_once or whole):
        return REASONS.BAD_DISPLAY_QUANTITY
    if command.min_quantity < 0 or command.min_quantity > command.quantity:
        return REASONS.BAD_MIN_QUANTITY
    if command.min_quantity and (command.flags & POST_ONLY or whole):
        return REASONS.BAD_MIN_QUANTITY
    if command.tif == TIFS.GTD and (
        command.ref == ZERO
        or command.ref > TIME_MAX
        or np.int64(command.ref) <= np.int64(command.time_ns)
    ):
        return REASONS.BAD_TIME
    return 0


@fast
def trailed_price(book):
    """Return what a new trailing stop starts from: the last price, else the reference, else 0."""
    return np.int64(book.last_price) if book.last_price else np.int64(book.reference)


@fast
def trigger_of(command, book):
    """Return where the stop of a NEW triggers, 0 for another order."""
    if command.order_type >= TYPES.TRAILING_STOP:
        distance = np.int64(command.stop_price)
        return trailing_trigger(trailed_price(book), command.side, distance)
    return np.int64(command.stop_price)


@fast
def valued_at(order_type, price, trigger, book):
    """Return the price that an order's notional is reckoned at."""
    if price and order_type != TYPES.TRAILING_STOP_LIMIT:
        return np.int64(price)
    return np.int64(trigger) if trigger else trailed_price(book)


@fast
def why_over_limits(s, owner, quantity, price):
    """Return the risk limit, of quantity or notional, that an order is above, or 0."""
    if header_at(s.header, 0).live_owners == 0:
        return 0
    notional = np.uint64(quantity * price)
    everybody, own = owner_place(s, ANY_OWNER), owner_place(s, owner)
    for place in (everybody, own):
        if place >= 0:
            limits = owner_at(s.owners, place)
            if limits.quantity and quantity > limits.quantity:
                return REASONS.OVER_QUANTITY_LIMIT
    for place in (everybody, own):
        if place >= 0:
            limits = owner_at(s.owners, place)
            if limits.notional != ZERO and notional > limits.notional:
                return REASONS.OVER_NOTIONAL_LIMIT
    return 0


@fast
def why_owner_may_not(s, owner, rests):
    """Return why an owner may enter no order more, or 0."""
    if header_at(s.header, 0).live_owners == 0:
        return 0
    everybody, own = owner_place(s, ANY_OWNER), owner_place(s, owner)
    if own >= 0 and rests:
        limits = owner_at(s.owners, own)
        most = np.uint64(limits.live_orders_max)
        if most != ZERO and limits.live_orders >= most:
            return REASONS.OVER_ORDER_LIMIT
    for place in (everybody, own):
        if place >= 0 and owner_at(s.owners, place).killed:
            return REASONS.KILLED
    return 0


@fast
def outside_collar(book, order_type, price):
    """Return whether a limit is beyond the collar."""
    if order_type != TYPES.LIMIT and order_type != TYPES.STOP_LIMIT:
        return False
    return price < book.low or (book.high != 0 and price > book.high)


@fast
def limit_of(command, book):
    """Return how far the limit or market order of a NEW may go."""
    price = np.int64(command.price)
    if command.side == BUY:
        limit = price if price else np.int64(PRICE_MAX)
        return min(limit, np.int64(book.high)) if book.high else limit
    return max(price, np.int64(book.low))


@fast
def would_take(s, symbol, side, flags, price, state):
    """Return whether a post-only order would take and can go nowhere else."""
    best = np.int64(side_at(s.sides, 4 * symbol + 1 - side).best_price)
    if not flags & POST_ONLY or state != STATES.CONTINUOUS or not crosses(best, side, price):
        return False
    return not flags & REPRICE or repriced(best, side) == 0


@fast
def why_not_at_once(s, command, symbol):
    """Return why a limit or market order cannot do at once what it asks for, or 0."""
    book, side = book_at(s.books, symbol), np.int64(command.side)
    wanted = np.int64(command.min_quantity)
    reason = REASONS.BELOW_MIN_QUANTITY
    if command.tif == TIFS.FOK:
        wanted, reason = np.int64(command.quantity), REASONS.NOT_FILLABLE
    if would_take(s, symbol, side, command.flags, np.int64(command.price), book.state):
        return REASONS.WOULD_TAKE
    if wanted == 0:
        return 0
    if book.state != STATES.CONTINUOUS:
        return reason
    limit = limit_of(command, book)
    if fillable(s.header, symbol, side, command.owner, command.stp, limit, wanted, TURNS_MAX):
        return 0
    return reason


@fast
def no_room_for(s, command, symbol, trigger):
    """Return whether there is no room for an order to rest or wait where it does so first."""
    header, side = header_at(s.header, 0), np.int64(command.side)
    if header.live_orders >= header.orders:
        return True
    if command.order_type >= TYPES.STOP:
        return lacks_room(s, symbol, BUY_STOPS - side, trigger)
    if command.flags & ALL_OR_NONE or command.order_type == TYPES.MARKET:
        return no_room_to_wait(s, symbol)
    return lacks_room(s, symbol, side, np.int64(command.price))


@fast
def why_new_rejected(s, command, symbol):
    """Return the reason of the first check that a NEW fails, or 0."""
    book, kind = book_at(s.books, symbol), command.order_type
    if wrong_state(command, book.state):
        return REASONS.WRONG_STATE
    reason = why_fields_rejected(command)
    if reason:
        return reason
    if kind >= TYPES.TRAILING_STOP and trailed_price(book) == 0:
        return REASONS.NO_LAST_PRICE
    if place_of(s, symbol, command.order_id) >= 0:
        return REASONS.DUPLICATE_ID
    trigger = trigger_of(command, book)
    price = valued_at(kind, command.price, trigger, book)
    reason = why_over_limits(s, command.owner, np.int64(command.quantity), price)
    if reason:
        return reason
    at_once = command.tif == TIFS.IOC or command.tif == TIFS.FOK
    rests = kind >= TYPES.STOP or book.state != STATES.CONTINUOUS
    rests = rests or (kind == TYPES.LIMIT and not at_once)
    reason = why_owner_may_not(s, command.owner, rests)
    if reason:
        return reason
    if outside_collar(book, kind, command.price):
        return REASONS.OUTSIDE_COLLAR
    if kind <= TYPES.MARKET:
        reason = why_not_at_once(s, command, symbol)
        if reason:
            return reason
    if rests and no_room_for(s, command, symbol, trigger):
        return REASONS.BOOK_FULL
    return 0


# -- an order's commands ---------------------------------------------------------------------------


@fast
def enter(s, out, n, command, symbol):
    """Carry out a NEW; return n."""
    reason = why_new_rejected(s, command, symbol)
    if reason:
        return reject(s, out, n, command, reason)
    book = book_at(s.books, symbol)
    slot = make_order(s, command)
    quantity = np.int64(command.quantity)
    n = tell(s, out, n, slot, EVENTS.ACCEPTED, np.int64(command.price), quantity, quantity, 0)
    if command.order_type < TYPES.STOP:
        n = come_in(s.header, out.place, out.room, out.first, out.command, n, slot, symbol, 0)
        return settle(s.header, out.place, out.room, out.first, out.command, n, symbol)
    terms = terms_at(s.terms, slot)
    terms.stop_price = trigger_of(command, book)
    if command.order_type >= TYPES.TRAILING_STOP:
        terms.distance = command.stop_price
    if book.state == STATES.CONTINUOUS and triggers(s, slot, symbol):
        n = start_stop(s, out, n, slot, symbol)
    else:
        n = wait(s, out, n, slot, symbol, PLACES.STOP)
    return settle(s.header, out.place, out.room, out.first, out.command, n, symbol)


@fast
def cancel(s, out, n, command, symbol, slot, reason):
    """Carry out a CANCEL, or a REDUCE that leaves nothing; return n."""
    n = tell_end(s, out, n, slot, EVENTS.CANCELLED, reason)
    end_order(s, slot, symbol)
    return settle(s.header, out.place, out.room, out.first, out.command, n, symbol)


@fast
def reduce(s, out, n, command, symbol, slot):
    """Carry out a REDUCE; return n."""
    quantity = np.int64(command.quantity)
    if quantity >= order_quantity(s, slot):
        return cancel(s, out, n, command, symbol, slot, REASONS.REDUCED_TO_ZERO)
    shown = take_from(s, slot, quantity)
    queue_at(s.levels, np.uint64(slot_at(s.orders, slot).level)).quantity -= shown
    n = tell(s, out, n, slot, EVENTS.REDUCED, order_price(s, slot), quantity,
        order_quantity(s, slot), REASONS.REQUESTED,
    )  # fmt: skip
    return settle(s.header, out.place, out.room, out.first, out.command, n, symbol)


@fast
def moves_trigger(command, terms):
    """Return whether a REPLACE gives a waiting stop another trigger or distance."""
    if terms.place != PLACES.STOP or command.stop_price == 0:
        return False
    return command.stop_price != (terms.distance if terms.distance else terms.stop_price)


@fast
def new_trigger(command, terms, book):
    """Return where an order triggers after its REPLACE, 0 for one that is no stop."""
    if not moves_trigger(command, terms):
        return np.int64(terms.stop_price)
    if terms.distance:
        return trailing_trigger(trailed_price(book), terms.side, np.int64(command.stop_price))
    return np.int64(command.stop_price)


@fast
def why_replace_rejected(s, command, symbol, slot, keeps):
    """Return the reason of the first check that the REPLACE of a live order fails, or 0."""
    book, order, terms = book_at(s.books, symbol), slot_at(s.orders, slot), terms_at(s.terms, slot)
    price, quantity = np.int64(command.price), np.int64(command.quantity)
    is_auction = terms.place == PLACES.AUCTION
    if price_is_wrong(terms.order_type, price) or (is_auction and price != 0):
        return REASONS.BAD_PRICE
    if terms.place == PLACES.STOP and command.stop_price < 0:
        return REASONS.BAD_STOP_PRICE
    renames = command.ref != ZERO and command.ref != command.order_id
    if renames and place_of(s, symbol, command.ref) >= 0:
        return REASONS.DUPLICATE_ID
    if keeps:
        return 0
    trigger = new_trigger(command, terms, book)
    value = valued_at(terms.order_type, price, trigger, book)
    reason = why_over_limits(s, order.owner, quantity, value)
    if reason:
        return reason
    if outside_collar(book, terms.order_type, price):
        return REASONS.OUTSIDE_COLLAR
    side = np.int64(terms.side)
    if would_take(s, symbol, side, terms.flags, price, book.state):
        return REASONS.WOULD_TAKE
    if terms.place == PLACES.BOOK and lacks_room(s, symbol, side, price):
        return REASONS.BOOK_FULL
    return 0


@fast
def replace(s, out, n, command, symbol, slot):
    """Carry out a REPLACE; return n."""
    give_terms(s, slot)
    order, terms = slot_at(s.orders, slot), terms_at(s.terms, slot)
    price, quantity = np.int64(command.price), np.int64(command.quantity)
    old_id, old_quantity = order.order_id, order_quantity(s, slot)
    keeps = price == terms.price and quantity <= old_quantity and not moves_trigger(command, terms)
    reason = why_replace_rejected(s, command, symbol, slot, keeps)
    if reason:
        return reject(s, out, n, command, reason)
    new_id = old_id if command.ref == ZERO else command.ref
    n = record(
        s.header, out.place, out.room, out.first, out.command, n,
        new_id, old_id, price, quantity, quantity, old_quantity,
        order.owner, 0, EVENTS.REPLACED, np.int64(terms.side),
        REASONS.PRIORITY_KEPT if keeps else REASONS.PRIORITY_LOST,
    )  # fmt: skip
    if keeps:
        shown = take_from(s, slot, old_quantity - quantity)
        queue_at(s.levels, np.uint64(order.level)).quantity -= shown
        if new_id != old_id:
            rename(s, slot, symbol, new_id)
        return settle(s.header, out.place, out.room, out.first, out.command, n, symbol)
    was_stop = terms.place == PLACES.STOP
    trigger = new_trigger(command, terms, book_at(s.books, symbol))
    detach(s, slot, symbol)
    order.rare = 1  # not before: it was counted as what it had been
    order.order_id, order.quantity = new_id, quantity
    terms.price, terms.reserve, terms.place = price, 0, PLACES.BOOK
    terms.arrival = next_arrival(s)
    if was_stop:
        terms.stop_price = trigger
        if terms.distance and command.stop_price:
            terms.distance = command.stop_price
        n = wait(s, out, n, slot, symbol, PLACES.STOP)
    else:
        n = come_in(s.header, out.place, out.room, out.first, out.command, n, slot, symbol, 0)
    return settle(s.header, out.place, out.room, out.first, out.command, n, symbol)


@fast
def rename(s, slot, symbol, new_id):
    """Give a live order another id; it keeps its place."""
    order = slot_at(s.orders, slot)
    drop_id(s, symbol, order.order_id)
    order.order_id = new_id
    add_id(s, symbol, new_id, slot)


@fast
def change(s, out, n, command, symbol):
    """Carry out a CANCEL, REDUCE or REPLACE; return n."""
    kind = command.kind
    if kind == COMMANDS.REPLACE and wrong_state(command, book_at(s.books, symbol).state):
        return reject(s, out, n, command, REASONS.WRONG_STATE)
    if command.order_id == ZERO:
        return reject(s, out, n, command, REASONS.BAD_ID)
    if kind != COMMANDS.CANCEL and command.quantity < 1:
        return reject(s, out, n, command, REASONS.BAD_QUANTITY)
    if kind == COMMANDS.REPLACE and command.price < 0:
        return reject(s, out, n, command, REASONS.BAD_PRICE)
    place = place_of(s, symbol, command.order_id)
    if place < 0 or slot_at(s.orders, slot_of(s, place)).owner != command.owner:
        is_price = kind == COMMANDS.REPLACE and command.price < 1
        reason = REASONS.BAD_PRICE if is_price else REASONS.UNKNOWN_ORDER
        return reject(s, out, n, command, reason)
    slot = slot_of(s, place)
    if kind == COMMANDS.CANCEL:
        return cancel(s, out, n, command, symbol, slot, REASONS.REQUESTED)
    if kind == COMMANDS.REDUCE:
        return reduce(s, out, n, command, symbol, slot)
    return replace(s, out, n, command, symbol, slot)


@far("int64(int64, int64, int64, int64, int64)")
def carry_out(base, place, room, n, command_place):
    """Carry out a NEW, CANCEL, REDUCE or REPLACE for a symbol that there is; return n."""
    s, out = places_at(base), Told(place, room, n, command_place)
    command = command_at(command_place, 0)
    header_at(s.header, 0).turns = TURNS_MAX
    if command.kind == COMMANDS.NEW:
        return enter(s, out, n, command, np.int64(command.symbol))
    return change(s, out, n, command, np.int64(command.symbol))
