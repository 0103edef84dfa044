"""The order rules: a row for each, its reason code, and a test of the same name.

The files ``tests/engines/test_rules_*.py`` hold a ``test_<rule>`` for each row below. Exchanges
differ; where a rule follows a published one, it is named at the end.

Checks, the first that fails decides (its code tells where it stands in this order):

=======================  ==========================================================================
reason                   when
=======================  ==========================================================================
UNKNOWN_KIND             no such kind of command
UNSUPPORTED              DEFINE (symbols are made by the constructor)
UNKNOWN_SYMBOL           no book for the symbol; TICK, LIMITS and KILL look at none, and
                         MASS_CANCEL takes 65535 for all
WRONG_STATE              NEW and REPLACE while HALTED or CLOSED; outside CONTINUOUS also IOC, FOK
                         and market orders with a worst price
BAD_ID                   order id 0 in NEW, CANCEL, REDUCE, REPLACE
BAD_SIDE                 NEW: above 1. MASS_CANCEL: above 2
BAD_ORDER_TYPE           NEW: above 5. STATE: no such state. KILL: neither 0 (kill) nor 1 (lift)
BAD_TIF, BAD_STP         NEW: above 4
BAD_FLAGS                NEW: above 7 · reprice without post-only · post-only for any type but
                         limit, with IOC or FOK, or with all-or-none · all-or-none for market,
                         stop and trailing stop
BAD_QUANTITY             NEW, REDUCE, REPLACE: below 1. LIMITS: below 0
BAD_PRICE                NEW limit and stop-limit: below 1 · market, stop, trailing stop-limit:
                         below 0 · trailing stop: not 0. REPLACE: as the order's type would have
                         it, 0 for a market order that waits (an unknown order: below 1).
                         COLLAR, STATE: below 0
BAD_STOP_PRICE           NEW limit and market: not 0 · others: below 1. REPLACE of a stop: below 0.
                         COLLAR: below 0, or both bounds given and high below low
BAD_DISPLAY_QUANTITY     NEW: below 0 or above the quantity · not 0 for market, stop, trailing
                         stop, IOC, FOK or all-or-none. LIMITS: below 0, or not 0 for owner 0
BAD_MIN_QUANTITY         NEW: below 0 or above the quantity · not 0 with post-only or all-or-none
BAD_TIME                 NEW with GTD: expiry (ref) 0, not after the command's time, or above 2^63-1
NO_LAST_PRICE            NEW trailing: no trade and no reference price to trail yet
UNKNOWN_ORDER            no such live order of this owner
DUPLICATE_ID             the (new) id is live in this symbol
OVER_QUANTITY_LIMIT      NEW, REPLACE*: quantity above the owner's or everybody's limit
OVER_NOTIONAL_LIMIT      NEW, REPLACE*: quantity × price above it, in 64 bits
OVER_ORDER_LIMIT         NEW that may rest: the owner has as many live orders as it may
KILLED                   NEW by an owner, or while everybody, is killed
OUTSIDE_COLLAR           NEW, REPLACE* of limit and stop-limit: price below low or above high
NOT_FILLABLE             NEW limit or market with FOK that cannot fill whole
WOULD_TAKE               NEW or REPLACE of a post-only order that would take and may not reprice,
                         or for which no tick is left to reprice to
BELOW_MIN_QUANTITY       NEW limit or market: less than the minimum can be had at once (never
                         anything outside CONTINUOUS)
BOOK_FULL                NEW that may rest while as many orders live as there is room for; LIMITS
                         or KILL of one owner more than there is room for. A price ladder with few
                         pages: NEW or REPLACE for which none is free; as the end of an order, for
                         one that was accepted before. (A trailing stop stays until one is free.)
=======================  ==========================================================================

REPLACE*: only one that loses priority; who makes an order smaller is not held against new limits.

"May rest": a limit order that is not IOC or FOK, any stop, and outside CONTINUOUS a market order.
Price for the notional: the order's price; if that is 0 or an offset, the stop's trigger; for a
market order without worst price the last price, else the reference, else 0.

Rules, by topic:

=============================  ====================================================================
rule                           what holds, and the reason codes it shows
=============================  ====================================================================
limit_rests_silently           what is left of a plain limit order rests and says nothing more
market_sweeps                  a market order takes at any price; residue: MARKET_RESIDUE
market_stops_at_worst_price    its price, if not 0, is its limit; residue: MARKET_RESIDUE
ioc_never_rests                IOC_RESIDUE
fok_all_or_nothing             NOT_FILLABLE, or filled whole
fok_counts_the_reserve         an iceberg's hidden quantity counts
fok_counts_other_owners        with self-trade prevention own quantity does not count, and, but for
                               CANCEL_OLDEST, nothing behind the first own order does
post_only_rejects              WOULD_TAKE
post_only_reprices             one tick off the opposite best: RESTED (REPRICED) at that price
min_quantity_on_entry          BELOW_MIN_QUANTITY, or at least that much trades; binds once
iceberg_shows_a_slice          RESTED (SLICED): quantity is the slice, remaining is all
iceberg_refreshes_at_the_tail  slice gone: REFRESHED after its TRADE, behind all at that price
iceberg_reduces_reserve_first  REDUCE, and a REPLACE that keeps priority
all_or_none_waits              RESTED (ALL_OR_NONE), quantity 0: outside the displayed depth
all_or_none_fills_later        TRIGGERED (ALL_OR_NONE) and its trades, once all of it can fill
all_or_none_in_arrival_order   after each command, until none fills; a passed one keeps its place;
                               two of them never meet
stop_waits                     RESTED (STOP) at its trigger, quantity 0
stop_triggers_on_last_price    buy: last price at or above the trigger, sell: at or below;
                               TRIGGERED (STOP), then as a market or limit order that comes in new
stop_triggered_on_entry        ACCEPTED, TRIGGERED and so on, in one command
stop_cascade_order             those triggered together: buys, lowest trigger first; sells, highest
                               first; then arrival. All are out of the stop book before the first
                               runs; what its trades trigger runs after them
stop_keeps_its_terms           time in force, minimum, all-or-none and display hold on the trigger:
                               a FOK that cannot fill ends NOT_FILLABLE, a minimum that is not met
                               BELOW_MIN_QUANTITY, both as CANCELLED
trailing_stop_follows          distance below (sell) or above (buy) the last price, within
                               1..2^31-1; only ever towards it; once a command, before triggering
trailing_stop_limit_offset     its limit is the trigger less (sell) or plus (buy) its price, within
                               1..2^31-1; if it rests: RESTED (REPRICED)
cancel_of_a_stop               CANCEL, REDUCE and REPLACE work on all that waits
replace_moves_the_trigger      stop_price of a stop's REPLACE: 0 keeps its trigger, else it is the
                               new one, or a trailing stop's new distance from the last price
replace_priority               same price (and trigger) and no more quantity keeps the place;
                               anything else is a new arrival, which may trade
replace_rejected_changes_nothing  WOULD_TAKE, DUPLICATE_ID and so on leave the order as it was
day_ends                       EXPIRED (DAY_ENDED): at the first TICK of a later UTC day than the
                               order's, or when its symbol is CLOSED, in the order of ``orders``
gtd_expires                    EXPIRED (TIME_REACHED): at the first TICK not before its ref
tick_order                     a TICK ends orders by expiry, then arrival, then says DONE (quantity
                               how many)
mass_cancel                    CANCELLED (MASS_CANCELLED) by symbol, then in the order of
                               ``orders``, then DONE. owner 0, symbol 65535, side 2: any
stp_cancel_newest              what is left of the taker: CANCELLED (SELF_TRADE)
stp_cancel_oldest              the maker, whole: CANCELLED (SELF_TRADE); the taker goes on
stp_cancel_both                the maker, then the taker
stp_decrement                  the smaller quantity leaves both: REDUCED (SELF_TRADE) of the maker,
                               then of the taker; remaining 0 ends an order; the last price stays
stp_takers_mode                the taker's mode decides; owner 0 is nobody and never meets itself
state_gates                    what may be entered in which state (WRONG_STATE); STATE answers with
                               quantity the new, remaining the old state, price the reference
call_collects                  outside CONTINUOUS nothing trades, the book may cross, a market
                               order waits: RESTED (AUCTION_ONLY), quantity 0
auction_on_leaving             an auction runs on going from any other state to CONTINUOUS, and
                               from a call to CLOSED
auction_price                  largest volume; least surplus; highest price if all surplus is on
                               the buy side, lowest if on the sell side; else nearest to the
                               reference, if there is one; else the higher. Without volume: 0
auction_candidates             limit prices at which both sides have volume, and the reference: the
                               STATE's price, else one given before, else the last price
auction_priority               market orders first, then price, then place in the queue; each TRADE
                               names the buy order as order_id, the sell order as other_id
auction_ignores_stp            self-trade prevention is off, all-or-none orders and stops stay out
auction_counts_the_reserve     an iceberg takes part with all of it; its slice is used up first,
                               and a new one shown after the last trade: REFRESHED, buy side first
                               (Xetra: icebergs enter auctions with their overall volume)
auction_residue                what is left of market orders: CANCELLED (MARKET_RESIDUE), buys
                               first; from PRE_OPEN to CLOSED there is no auction: they wait on
auction_ignores_the_collar     it binds orders, not the price: a book crossed outside of it would
                               stay crossed
auction_then_stops             all-or-none orders and stops are looked at after an auction that
                               leads to CONTINUOUS
halt_reopens_by_auction        HALTED takes CANCEL, REDUCE and MASS_CANCEL; on the way back the book
                               is uncrossed
indicative                     a STATE that names the present state, outside CONTINUOUS, tells what
                               an auction would do now: AUCTION (INDICATIVE)
collar_rejects                 OUTSIDE_COLLAR; 0 is no bound
collar_binds_takers            a market, triggered or all-or-none order takes the collar as its
                               limit; the residue of the first two ends: COLLAR_RESIDUE
collar_leaves_resting_orders   a new collar moves and ends nothing
limits_gate                    LIMITS: quantity, ref (notional), display_quantity (live orders);
                               0 is no limit. owner 0: for everybody, quantity and notional only
limits_count_live_orders       all that lives counts, whatever it waits for
notional_does_not_overflow     (2^31-1) × (2^31-1) is compared as it is
kill_switch                    KILL: CANCELLED (KILL_SWITCH) as a mass cancel, DONE, then KILLED
                               until lifted. owner 0: everybody
work_is_bounded                a command has ``TURNS_MAX`` turns: TOO_MANY_TURNS
=============================  ====================================================================

**Bounded work.** Icebergs and cascades could make one command run for minutes. So a command has
``TURNS_MAX`` turns: each new slice that an iceberg shows while it is taken from, and each TRIGGERED
order, is one. A taker that would use up a slice when there is no turn left stops, and what is left
of it is CANCELLED (TOO_MANY_TURNS). Without a turn left no waiting order starts: all-or-none orders
stay, triggered stops go back to the stop book, where they are looked at again after the next
command for their symbol, with the last price of then. What bounds turns and events does not bound
time: each all-or-none order is tried against all it could take.

**What can be had at once**, for orders that must fill whole or a minimum, is counted price level by
price level until it is enough: all makers of a level, with their reserves. It counts only if turns
are left for the slices, with more behind them, that each maker of a level would begin to give if it
alone gave what was still wanted there. Own orders count nothing with CANCEL_OLDEST; with
any other mode of prevention the count ends at the first own order, and of its level only the slices
shown ahead of it count, with a turn for each that has a reserve.

**After a command.** A command that was carried out and names one symbol (not TICK, LIMITS, KILL or
a MASS_CANCEL of all) is followed, in the continuous state, by: all-or-none orders; trailing stops
follow the last price, once; then stops triggered by it, one after the other, each followed by
all-or-none orders and by stops newly triggered, which queue up behind. A rejected one by nothing.

**Where orders wait**, in the order of ``orders``: bids, asks (best price first, then the queue),
all-or-none orders (as they came to wait), market buys, market sells, sell stops (highest trigger
first, then arrival), buy stops (lowest first, then arrival). Arrival is when an order was entered,
or last replaced without keeping priority; a triggered stop that comes to wait again keeps it.

**Followed.** Self-trade prevention by the taker's mode, decrement among them: Coinbase Exchange,
"Matching Engine". Post-only one tick off or refused, as the order says: Nasdaq, "Post-Only Order".
A new price or a larger quantity loses the place and matches anew: Eurex T7. A minimum that binds on
entry only: NYSE Arca Europe. A reserve that shrinks without loss of place: TSX Order Types Guide.
Stops on the last trade's price, sell at or below, buy at or above: TSX On-Stop. Icebergs with all
of their volume in an auction: Xetra Market Model.

**Our own**, where the exchanges looked at do otherwise or are silent: what market orders have left
after an auction ends (Xetra carries it on); what the collar stops ends (CME lets it rest at the
limit); one slice of an iceberg a trade (TSX trades slice and reserve as one); all-or-none orders
wait outside the depth (BME has none); buys before sells in a cascade; an auction's price outside
the collar; bounded work.
"""

from __future__ import annotations

NS_A_DAY = 86_400 * 10**9
TURNS_MAX = 256


def events_max(orders: int) -> int:
    """Return how many events one command makes at most, in an engine with room for ``orders``.

    Each meeting ends an order, a slice or a taker, and tells of it at most twice; the rest is told
    once for each order, turn or command.
    """
    return 2 * orders + 4 * TURNS_MAX + 16
