"""The checks of commands, a test for each reason with each of its cases."""

from __future__ import annotations

import pytest

from engines.matching import Feature
from engines.messages import (
    ALL_SYMBOLS,
    CommandKind,
    Flag,
    OrderType,
    Reason,
    SelfTradePrevention,
    Side,
    TimeInForce,
    TradingState,
)

pytestmark = pytest.mark.needs(*Feature)

KIND, TYPE, TIF = CommandKind, OrderType, TimeInForce
NEW = dict(kind=KIND.NEW, order_id=1, side=Side.BUY, price=100, quantity=5)
STOPS = [TYPE.STOP, TYPE.STOP_LIMIT, TYPE.TRAILING_STOP, TYPE.TRAILING_STOP_LIMIT]
LOWEST = -(2**31)
TRAILING = dict(order_type=TYPE.TRAILING_STOP, stop_price=3, price=0)


def cases(*fields):
    """Return a parametrisation by fields, which are also the cases' names."""
    names = [
        ",".join(f"{name}={int(value)}" for name, value in case.items()) or "plain"
        for case in fields
    ]
    return pytest.mark.parametrize("fields", fields, ids=names)


def trade(price):
    """Return the script that gives symbol 0 its first last price."""
    return f"""
        sell 90 1@{price} by 3
        buy 91 1@{price} by 4
          TRADE 91 buy 1@{price} left 0 by 4, 90 left 0 by 3
    """


def takes(play, **fields):
    """Give a command that must not be rejected."""
    _, events = play.send(**fields)
    assert events["kind"][0] & 0x3F != 10, Reason(int(events["reason"][0])).name


# -- kind, symbol, state --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [0, 12, 63, 64, 65, 128, 129, 255])
def test_check_unknown_kind(play, kind):
    play.rejects(Reason.UNKNOWN_KIND, **(NEW | dict(kind=kind)))


def test_check_unsupported(play):
    play.rejects(Reason.UNSUPPORTED, kind=KIND.DEFINE)


@pytest.mark.parametrize("symbol", [2, 65_534, ALL_SYMBOLS])
@pytest.mark.parametrize("kind", CommandKind)
def test_check_unknown_symbol(play, kind, symbol):
    fields = NEW | dict(kind=kind, symbol=symbol, order_type=0)
    without = (KIND.TICK, KIND.LIMITS, KIND.KILL)
    if kind in without or (kind == KIND.MASS_CANCEL and symbol == ALL_SYMBOLS):
        takes(play, **fields)
    elif kind != KIND.DEFINE:
        play.rejects(Reason.UNKNOWN_SYMBOL, **fields)


@pytest.mark.parametrize("state", TradingState, ids=lambda state: state.name)
@cases(
    {}, dict(tif=TIF.IOC), dict(tif=TIF.FOK), dict(order_type=TYPE.MARKET),
    dict(order_type=TYPE.MARKET, price=0), dict(tif=TIF.DAY), dict(tif=TIF.GTD, ref=9),
    dict(order_type=TYPE.STOP, price=0, stop_price=9), dict(flags=Flag.ALL_OR_NONE),
    dict(order_type=TYPE.STOP, price=9, stop_price=9), dict(kind=KIND.REPLACE, order_id=50),
)  # fmt: skip
def test_check_wrong_state(play, state, fields):
    play("""
        buy 50 5@90
        sell 51 9@100 by 8
    """)
    play.send(kind=KIND.STATE, order_type=state)
    fields = NEW | fields
    shut = state in (TradingState.HALTED, TradingState.CLOSED)
    bounded = fields.get("order_type") == TYPE.MARKET and fields["price"] > 0
    at_once = bounded or fields.get("tif") in (TIF.IOC, TIF.FOK)
    if shut or (state != TradingState.CONTINUOUS and at_once):
        play.rejects(Reason.WRONG_STATE, **fields)
    else:
        takes(play, **fields)


# -- fields ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [KIND.NEW, KIND.CANCEL, KIND.REDUCE, KIND.REPLACE])
def test_check_bad_id(play, kind):
    play.rejects(Reason.BAD_ID, **(NEW | dict(kind=kind, order_id=0)))


@cases(
    dict(side=2), dict(side=255), dict(kind=KIND.MASS_CANCEL, side=3),
    dict(kind=KIND.MASS_CANCEL, side=255),
)  # fmt: skip
def test_check_bad_side(play, fields):
    play.rejects(Reason.BAD_SIDE, **(NEW | fields))


@cases(
    dict(order_type=6), dict(order_type=255), dict(kind=KIND.STATE, order_type=6),
    dict(kind=KIND.STATE, order_type=255), dict(kind=KIND.KILL, order_type=2),
    dict(kind=KIND.KILL, order_type=255),
)  # fmt: skip
def test_check_bad_order_type(play, fields):
    play.rejects(Reason.BAD_ORDER_TYPE, **(NEW | fields))


@pytest.mark.parametrize("tif", [5, 255])
def test_check_bad_tif(play, tif):
    play.rejects(Reason.BAD_TIF, **(NEW | dict(tif=tif)))


@pytest.mark.parametrize("stp", [5, 255])
def test_check_bad_stp(play, stp):
    play.rejects(Reason.BAD_STP, **(NEW | dict(stp=stp)))


POST, REPRICE, WHOLE = Flag.POST_ONLY, Flag.POST_ONLY | Flag.REPRICE, Flag.ALL_OR_NONE


@cases(
    dict(flags=8), dict(flags=255), dict(flags=Flag.REPRICE), dict(flags=Flag.REPRICE | WHOLE),
    *[dict(flags=POST, order_type=order_type, stop_price=9) for order_type in STOPS],
    dict(flags=POST, order_type=TYPE.MARKET), dict(flags=POST, tif=TIF.IOC),
    dict(flags=POST, tif=TIF.FOK), dict(flags=REPRICE, tif=TIF.IOC), dict(flags=POST | WHOLE),
    dict(flags=REPRICE | WHOLE), dict(flags=WHOLE, order_type=TYPE.MARKET),
    dict(flags=WHOLE, order_type=TYPE.STOP, stop_price=9),
    dict(flags=WHOLE, order_type=TYPE.TRAILING_STOP, stop_price=9),
)  # fmt: skip
def test_check_bad_flags(play, fields):
    play(trade(100))
    play.rejects(Reason.BAD_FLAGS, **(NEW | fields))


@cases(
    dict(flags=POST), dict(flags=REPRICE), dict(flags=WHOLE), dict(flags=WHOLE, tif=TIF.IOC),
    dict(flags=WHOLE, order_type=TYPE.STOP_LIMIT, stop_price=9),
    dict(flags=WHOLE, order_type=TYPE.TRAILING_STOP_LIMIT, stop_price=9),
)  # fmt: skip
def test_check_bad_flags_spares_good_ones(play, fields):
    play(trade(100))
    takes(play, **(NEW | fields))


@pytest.mark.parametrize("quantity", [0, -1, LOWEST])
@pytest.mark.parametrize("kind", [KIND.NEW, KIND.REDUCE, KIND.REPLACE, KIND.LIMITS])
def test_check_bad_quantity(play, kind, quantity):
    if kind == KIND.LIMITS and quantity == 0:
        takes(play, kind=kind)
    else:
        play.rejects(Reason.BAD_QUANTITY, **(NEW | dict(kind=kind, quantity=quantity)))


@cases(
    dict(price=0), dict(price=-1), dict(price=LOWEST), dict(order_type=TYPE.MARKET, price=-1),
    dict(order_type=TYPE.STOP_LIMIT, stop_price=9, price=0),
    dict(order_type=TYPE.STOP, stop_price=9, price=-1),
    dict(order_type=TYPE.TRAILING_STOP_LIMIT, stop_price=9, price=-1),
    dict(order_type=TYPE.TRAILING_STOP, stop_price=9, price=1),
    dict(order_type=TYPE.TRAILING_STOP, stop_price=9, price=-1),
    dict(kind=KIND.COLLAR, price=-1), dict(kind=KIND.STATE, order_type=1, price=-1),
)  # fmt: skip
def test_check_bad_price(play, fields):
    play(trade(100))
    play.rejects(Reason.BAD_PRICE, **(NEW | fields))


WAITING = """
    buy 11 5@90
    buy 12 5@90 stop 200
      RESTED/STOP 12 buy 0@200 left 5
    buy 13 5@market stop 200
      RESTED/STOP 13 buy 0@200 left 5
    buy 14 5@market trail 200
      RESTED/STOP 14 buy 0@300 left 5
    buy 15 5@off3 trail 200
      RESTED/STOP 15 buy 0@300 left 5
    buy 16 5@90 aon
      RESTED/ALL_OR_NONE 16 buy 0@90 left 5
    state PRE_OPEN
      STATE PRE_OPEN from CONTINUOUS
    buy 17 5@market
      RESTED/AUCTION_ONLY 17 buy 0@0 left 5
"""
# of the orders above, and of one that is not there: prices that they cannot have, and some they can
NOT_THEIRS = {11: [0, -1], 12: [0, -1], 13: [-1], 14: [1, -1], 15: [-1], 16: [0, -1], 17: [1, -1]}
NOT_THEIRS |= {99: [0, -1]}
THEIRS = {11: [1, 2**31 - 1], 12: [1], 13: [0, 7], 14: [0], 15: [0, 7], 16: [1], 17: [0]}


@pytest.mark.parametrize("order_id", NOT_THEIRS)
def test_check_bad_price_of_a_replace(play, order_id):
    play(trade(100) + WAITING)
    replace = dict(kind=KIND.REPLACE, order_id=order_id, quantity=5)
    for price in NOT_THEIRS[order_id]:
        play.rejects(Reason.BAD_PRICE, **replace, price=price)
    play.rejects(Reason.BAD_PRICE, **replace, price=0, owner=2)  # nobody learns what it is
    play.rejects(Reason.UNKNOWN_ORDER, **replace, price=7, owner=2)
    for price in THEIRS.get(order_id, []):
        takes(play, **replace, price=price)


@cases(
    dict(stop_price=1), dict(stop_price=-1), dict(order_type=TYPE.MARKET, stop_price=1),
    *[
        dict(order_type=order_type, price=0 if order_type == TYPE.TRAILING_STOP else 9,
             stop_price=stop_price)
        for order_type in STOPS
        for stop_price in (0, -1)
    ],
    dict(kind=KIND.COLLAR, price=0, stop_price=-1), dict(kind=KIND.COLLAR, price=9, stop_price=8),
)  # fmt: skip
def test_check_bad_stop_price(play, fields):
    play(trade(100))
    play.rejects(Reason.BAD_STOP_PRICE, **(NEW | fields))


def test_check_bad_stop_price_spares_good_collars(play):
    for low, high in ((9, 9), (9, 0), (0, 9), (0, 0)):
        takes(play, kind=KIND.COLLAR, price=low, stop_price=high)


@cases(
    dict(display_quantity=-1), dict(display_quantity=6),
    dict(display_quantity=1, order_type=TYPE.MARKET),
    dict(display_quantity=1, order_type=TYPE.STOP, stop_price=9),
    dict(display_quantity=1, order_type=TYPE.TRAILING_STOP, stop_price=9, price=0),
    dict(display_quantity=1, tif=TIF.IOC), dict(display_quantity=1, tif=TIF.FOK),
    dict(display_quantity=1, flags=WHOLE),
    dict(kind=KIND.LIMITS, display_quantity=-1),
    dict(kind=KIND.LIMITS, display_quantity=1, owner=0),
)  # fmt: skip
def test_check_bad_display_quantity(play, fields):
    play(trade(100))
    play.rejects(Reason.BAD_DISPLAY_QUANTITY, **(NEW | fields))


@cases(
    dict(min_quantity=-1), dict(min_quantity=6), dict(min_quantity=1, flags=POST),
    dict(min_quantity=1, flags=REPRICE), dict(min_quantity=1, flags=WHOLE),
    dict(min_quantity=6, order_type=TYPE.STOP, stop_price=9),
)  # fmt: skip
def test_check_bad_min_quantity(play, fields):
    play.rejects(Reason.BAD_MIN_QUANTITY, **(NEW | fields))


@cases(
    dict(ref=0), dict(ref=0, time_ns=-9), dict(ref=7, time_ns=7), dict(ref=6, time_ns=7),
    dict(ref=2**63), dict(ref=2**64 - 1), dict(ref=2**64 - 1, time_ns=-9),
    dict(ref=2**63 - 1, time_ns=2**63 - 1),
)  # fmt: skip
def test_check_bad_time(play, fields):
    play.rejects(Reason.BAD_TIME, **(NEW | dict(tif=TIF.GTD) | fields))


@cases(dict(ref=1), dict(ref=1, time_ns=-9), dict(ref=8, time_ns=7), dict(ref=2**63 - 1))
def test_check_bad_time_spares_good_ones(play, fields):
    takes(play, **(NEW | dict(tif=TIF.GTD) | fields))


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("order_type", [TYPE.TRAILING_STOP, TYPE.TRAILING_STOP_LIMIT])
def test_check_no_last_price(play, side, order_type):
    fields = NEW | TRAILING | dict(order_type=order_type, side=side)
    play("buy 70 5@100\n sell 71 5@101")
    play.rejects(Reason.NO_LAST_PRICE, **fields)
    takes(play, kind=KIND.STATE, order_type=TradingState.PRE_OPEN, symbol=1, price=100)
    play.rejects(Reason.NO_LAST_PRICE, **fields)
    takes(play, **(fields | dict(symbol=1)))
    play("buy 72 1@101\n TRADE 72 buy 1@101 left 0, 71 left 4")
    takes(play, **fields)


# -- ids ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [KIND.CANCEL, KIND.REDUCE, KIND.REPLACE])
@pytest.mark.parametrize("order_id", [11, 12, 13, 14, 15, 16, 17])
def test_check_unknown_order(play, kind, order_id):
    play(trade(100) + WAITING)
    change = dict(kind=kind, order_id=order_id, price=5, quantity=1)
    play.rejects(Reason.UNKNOWN_ORDER, **(change | dict(order_id=99)))
    play.rejects(Reason.UNKNOWN_ORDER, **(change | dict(owner=2)))
    play.rejects(Reason.UNKNOWN_ORDER, **(change | dict(owner=0)))
    play.rejects(Reason.UNKNOWN_ORDER, **(change | dict(symbol=1)))
    takes(play, kind=KIND.CANCEL, order_id=order_id)
    play.rejects(Reason.UNKNOWN_ORDER, **change)


@pytest.mark.parametrize("order_id", [11, 12, 13, 14, 15, 16, 17])
def test_check_duplicate_id(play, order_id):
    play(trade(100) + WAITING + "buy 18 5@80\n")
    play.rejects(Reason.DUPLICATE_ID, **(NEW | dict(order_id=order_id)))
    play.rejects(Reason.DUPLICATE_ID, **(NEW | dict(order_id=order_id, owner=2, side=1)))
    replace = dict(kind=KIND.REPLACE, order_id=18, ref=order_id, price=81, quantity=5)
    play.rejects(Reason.DUPLICATE_ID, **replace)
    takes(play, **(NEW | dict(order_id=order_id, symbol=1)))
    takes(play, **(replace | dict(ref=18)))


# -- risk and collar ------------------------------------------------------------------------------


@pytest.mark.parametrize("owner", [0, 1])
@cases({}, dict(tif=TIF.IOC), dict(kind=KIND.REPLACE, order_id=50))
def test_check_over_quantity_limit(play, owner, fields):
    play("buy 50 5@90")
    takes(play, kind=KIND.LIMITS, owner=owner, quantity=9)
    play.rejects(Reason.OVER_QUANTITY_LIMIT, **(NEW | fields | dict(quantity=10)))
    takes(play, **(NEW | fields | dict(quantity=9)))


@pytest.mark.parametrize("owner", [0, 1])
@cases({}, dict(tif=TIF.IOC), dict(kind=KIND.REPLACE, order_id=50))
def test_check_over_notional_limit(play, owner, fields):
    play("buy 50 5@90")
    takes(play, kind=KIND.LIMITS, owner=owner, ref=1_000)
    play.rejects(Reason.OVER_NOTIONAL_LIMIT, **(NEW | fields | dict(quantity=10, price=101)))
    takes(play, **(NEW | fields | dict(quantity=10)))


@cases(
    {}, dict(tif=TIF.DAY), dict(order_type=TYPE.STOP, stop_price=500),
    dict(order_type=TYPE.STOP_LIMIT, stop_price=500), dict(flags=WHOLE),
    dict(order_type=TYPE.STOP_LIMIT, stop_price=500, tif=TIF.IOC),
    TRAILING, TRAILING | dict(order_type=TYPE.TRAILING_STOP_LIMIT),
    dict(order_type=TYPE.STOP, stop_price=500, tif=TIF.FOK),
)  # fmt: skip
def test_check_over_order_limit(play, fields):
    play(trade(100) + "limits 0 live 1 by 1\n DONE 0\n buy 50 5@90 in 1")
    play.rejects(Reason.OVER_ORDER_LIMIT, **(NEW | fields))
    takes(play, **(NEW | dict(tif=TIF.IOC)))
    takes(play, **(NEW | dict(order_type=TYPE.MARKET, price=0)))
    takes(play, **(NEW | fields | dict(owner=2)))


def test_check_over_order_limit_in_a_call(play):
    """Outside continuous trading a market order waits, so it counts."""
    play("""
        limits 0 live 1 by 1
          DONE 0
        buy 50 5@90
        state OPENING_CALL
          STATE OPENING_CALL from CONTINUOUS
    """)
    play.rejects(Reason.OVER_ORDER_LIMIT, **(NEW | dict(order_type=TYPE.MARKET, price=0)))


@pytest.mark.parametrize("killed", [0, 1])
@cases({}, dict(tif=TIF.FOK), dict(order_type=TYPE.STOP, stop_price=500), dict(symbol=1))
def test_check_killed(play, killed, fields):
    takes(play, kind=KIND.KILL, owner=killed)
    play.rejects(Reason.KILLED, **(NEW | fields))


@pytest.mark.parametrize("price", [94, 106])
@cases(
    {}, dict(side=Side.SELL), dict(tif=TIF.IOC), dict(flags=POST), dict(flags=WHOLE),
    dict(order_type=TYPE.STOP_LIMIT, stop_price=100), dict(kind=KIND.REPLACE, order_id=50),
    dict(kind=KIND.REPLACE, order_id=51),
)  # fmt: skip
def test_check_outside_collar(play, fields, price):
    play("""
        buy 50 5@96
        buy 51 5@96 stop 300
          RESTED/STOP 51 buy 0@300 left 5
        collar 95 105
          DONE 0
    """)
    play.rejects(Reason.OUTSIDE_COLLAR, **(NEW | fields | dict(price=price)))


@cases(
    dict(order_type=TYPE.MARKET, price=106), dict(order_type=TYPE.STOP, stop_price=300, price=106),
    TRAILING | dict(order_type=TYPE.TRAILING_STOP_LIMIT, price=2),
    dict(order_type=TYPE.STOP_LIMIT, stop_price=300, price=105),
)  # fmt: skip
def test_check_outside_collar_spares_what_has_no_limit(play, fields):
    play(trade(100) + "collar 95 105\n DONE 0")
    takes(play, **(NEW | fields))


# -- what the book says ---------------------------------------------------------------------------


@cases(
    dict(price=101), dict(price=100, quantity=3), dict(order_type=TYPE.MARKET, price=0),
    dict(order_type=TYPE.MARKET, price=100, quantity=3),
    dict(price=101, quantity=4, stp=SelfTradePrevention.CANCEL_NEWEST, owner=8),
    dict(price=101, flags=WHOLE),
)  # fmt: skip
def test_check_not_fillable(play, fields):
    play("sell 50 2@100 by 8\n sell 51 2@101")
    play.rejects(Reason.NOT_FILLABLE, **(NEW | dict(tif=TIF.FOK) | fields))


@cases(dict(price=101), dict(price=150), dict(kind=KIND.REPLACE, order_id=50, price=101))
def test_check_would_take(play, fields):
    play("buy 50 5@90 post\n sell 51 5@101")
    play.rejects(Reason.WOULD_TAKE, **(NEW | dict(flags=POST) | fields))


def test_check_would_take_with_no_tick_left(play):
    play("buy 50 5@1 reprice\n sell 51 5@2")
    play("replace 51 4@2\n REPLACED/PRIORITY_KEPT 51 sell 4@2 was 51 5")
    play("cancel 50\n CANCELLED/REQUESTED 50 buy 5@1\n sell 52 1@1")
    play.rejects(Reason.WOULD_TAKE, **(NEW | dict(flags=REPRICE, price=1)))
    play.rejects(Reason.WOULD_TAKE, **(NEW | dict(flags=REPRICE, price=2)))


@cases(
    dict(price=101, min_quantity=5), dict(price=100, min_quantity=3),
    dict(order_type=TYPE.MARKET, price=0, min_quantity=5),
    dict(price=101, tif=TIF.IOC, min_quantity=5),
)  # fmt: skip
def test_check_below_min_quantity(play, fields):
    play("sell 50 2@100 by 8\n sell 51 2@101")
    play.rejects(Reason.BELOW_MIN_QUANTITY, **(NEW | fields))
    play("state OPENING_CALL\n STATE OPENING_CALL from CONTINUOUS")
    if "tif" not in fields:  # an IOC would be in the wrong state
        play.rejects(Reason.BELOW_MIN_QUANTITY, **(NEW | fields | dict(min_quantity=1)))


@cases(
    {}, dict(price=101), dict(order_type=TYPE.STOP, stop_price=500), TRAILING,
    dict(order_type=TYPE.STOP_LIMIT, stop_price=500, tif=TIF.FOK), dict(flags=WHOLE),
    dict(symbol=1), dict(display_quantity=1),
)  # fmt: skip
def test_check_book_full(play, fields):
    full = play.resized(orders=2)
    full(trade(100) + "sell 50 5@101 by 8\n buy 51 5@90 by 8 in 1")
    full.rejects(Reason.BOOK_FULL, **(NEW | fields))
    takes(full, **(NEW | dict(tif=TIF.IOC, price=101, quantity=1)))
    takes(full, **(NEW | dict(order_type=TYPE.MARKET, price=0, quantity=1)))
    takes(full, kind=KIND.STATE, order_type=TradingState.OPENING_CALL)
    full.rejects(Reason.BOOK_FULL, **(NEW | dict(order_type=TYPE.MARKET, price=0)))
    takes(full, kind=KIND.STATE, order_type=TradingState.CONTINUOUS)
    takes(full, kind=KIND.CANCEL, order_id=51, symbol=1, owner=8)
    takes(full, **(NEW | fields))


def test_check_book_full_of_owners(play):
    small = play.resized(owners=2)
    small("limits 5 by 7\n DONE 0\n kill by 8\n DONE 0")
    for owner in (0, 9):
        small.rejects(Reason.BOOK_FULL, kind=KIND.LIMITS, quantity=5, owner=owner)
        small.rejects(Reason.BOOK_FULL, kind=KIND.KILL, owner=owner)
    small("limits 6 by 8\n DONE 0\n limits 0 by 7\n DONE 0\n kill by 9\n DONE 0")
    small.rejects(Reason.BOOK_FULL, kind=KIND.LIMITS, quantity=5, owner=7)
