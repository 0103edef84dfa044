"""The oracle's commands: what each does once its checks have passed."""

from __future__ import annotations

from collections.abc import Callable

from engines.matching.reference_auction import clearing, run_auction, say_outcome
from engines.matching.reference_matching import Execution, come_in, move_what_waits
from engines.matching.reference_orders import (
    Limits,
    Order,
    keeps_priority,
    move_trigger,
    moves_trigger,
    order_of,
)
from engines.messages import (
    ALL_SIDES,
    ALL_SYMBOLS,
    ANY_OWNER,
    CommandKind,
    EventKind,
    Reason,
    TimeInForce,
    TradingState,
)

CALLS = (TradingState.OPENING_CALL, TradingState.CLOSING_CALL)
OF_NO_SYMBOL = (CommandKind.TICK, CommandKind.LIMITS, CommandKind.KILL)


def carry_out(run: Execution) -> None:
    """Do what a command asks for, and what follows it."""
    command = run.command
    STEPS[command.kind](run)
    if command.kind not in OF_NO_SYMBOL and command.symbol != ALL_SYMBOLS:
        move_what_waits(run, command.symbol)


def reject(run: Execution, reason: Reason) -> None:
    """Answer a command that is not carried out with what it said."""
    command = run.command
    run.say_of_command(
        EventKind.REJECTED,
        other_id=command.ref,
        price=command.price,
        quantity=command.quantity,
        side=command.side,
        reason=reason,
    )


def _new(run: Execution) -> None:
    command = run.command
    order = order_of(command, run.venue)
    run.say(EventKind.ACCEPTED, order, order.quantity, price=command.price)
    come_in(run, order)


def _named(run: Execution) -> Order:
    command = run.command
    return run.venue.live[command.symbol, command.order_id]


def _cancel(run: Execution) -> None:
    run.remove_and_end(_named(run), Reason.REQUESTED)


def _reduce(run: Execution) -> None:
    order, quantity = _named(run), run.command.quantity
    if quantity >= order.quantity:
        run.remove_and_end(order, Reason.REDUCED_TO_ZERO)
        return
    order.reduce_to(order.quantity - quantity)
    run.say(EventKind.REDUCED, order, quantity, reason=Reason.REQUESTED)


def _replace(run: Execution) -> None:
    order, command, venue = _named(run), run.command, run.venue
    old_id, old_quantity = order.order_id, order.quantity
    keeps = keeps_priority(command, order)
    if keeps:
        del venue.live[order.symbol, order.order_id]
        order.reduce_to(command.quantity)
    else:
        venue.remove(order)
        order.price, order.quantity = command.price, command.quantity
        if moves_trigger(command, order):
            move_trigger(command, order, venue.books[order.symbol])
        order.arrival = venue.next_arrival()
    order.order_id = command.ref or order.order_id
    run.say(
        EventKind.REPLACED,
        order,
        order.quantity,
        price=command.price,
        other_id=old_id,
        other_remaining=old_quantity,
        reason=Reason.PRIORITY_KEPT if keeps else Reason.PRIORITY_LOST,
    )
    if keeps:
        venue.live[order.symbol, order.order_id] = order
    else:
        come_in(run, order)


def _mass_cancel(run: Execution) -> None:
    command = run.command
    _end_all(
        run,
        [
            order
            for order in run.venue.in_order()
            if command.symbol in (order.symbol, ALL_SYMBOLS)
            and command.owner in (order.owner, ANY_OWNER)
            and command.side in (order.side, ALL_SIDES)
        ],
        Reason.MASS_CANCELLED,
    )


def _end_all(run: Execution, orders: list[Order], reason: Reason) -> None:
    for order in orders:
        run.remove_and_end(order, reason)
    run.say_of_command(EventKind.DONE, quantity=len(orders))


def _tick(run: Execution) -> None:
    now = run.command.time_ns
    due = [order for order in run.venue.in_order() if order.expiry_ns and order.expiry_ns <= now]
    _expire(run, sorted(due, key=lambda order: (order.expiry_ns, order.arrival)))
    run.say_of_command(EventKind.DONE, quantity=len(due))


def _expire(run: Execution, orders: list[Order]) -> None:
    for order in orders:
        day = order.tif == TimeInForce.DAY
        reason = Reason.DAY_ENDED if day else Reason.TIME_REACHED
        run.remove_and_end(order, reason, EventKind.EXPIRED)


def _state(run: Execution) -> None:
    command = run.command
    book = run.venue.books[command.symbol]
    old, new = book.state, command.order_type
    book.state = new
    book.reference = command.price or book.reference
    run.say_of_command(EventKind.STATE, price=book.reference, quantity=new, remaining=old)
    if new == old:
        if new != TradingState.CONTINUOUS:
            say_outcome(run, clearing(book), Reason.INDICATIVE)
    elif new == TradingState.CONTINUOUS or (new == TradingState.CLOSED and old in CALLS):
        run_auction(run, command.symbol)
    if new == TradingState.CLOSED:
        _expire(run, [order for order in book.orders() if order.tif == TimeInForce.DAY])


def _collar(run: Execution) -> None:
    book = run.venue.books[run.command.symbol]
    book.low, book.high = run.command.price, run.command.stop_price
    run.say_of_command(EventKind.DONE)


def _limits(run: Execution) -> None:
    command = run.command
    limits = _limits_of(run)
    limits.quantity, limits.live_orders = command.quantity, command.display_quantity
    limits.notional = command.ref
    _forget_if_empty(run)
    run.say_of_command(EventKind.DONE)


def _kill(run: Execution) -> None:
    owner, kills = run.command.owner, run.command.order_type == 0
    _limits_of(run).killed = int(kills)
    _forget_if_empty(run)
    ended = [order for order in run.venue.in_order() if owner in (order.owner, ANY_OWNER)]
    _end_all(run, ended if kills else [], Reason.KILL_SWITCH)


def _limits_of(run: Execution) -> Limits:
    return run.venue.owners.setdefault(run.command.owner, Limits())


def _forget_if_empty(run: Execution) -> None:
    if run.venue.owners[run.command.owner].is_empty:
        del run.venue.owners[run.command.owner]


STEPS: dict[int, Callable[[Execution], None]] = {
    CommandKind.NEW: _new,
    CommandKind.CANCEL: _cancel,
    CommandKind.REDUCE: _reduce,
    CommandKind.REPLACE: _replace,
    CommandKind.MASS_CANCEL: _mass_cancel,
    CommandKind.TICK: _tick,
    CommandKind.STATE: _state,
    CommandKind.COLLAR: _collar,
    CommandKind.LIMITS: _limits,
    CommandKind.KILL: _kill,
}
