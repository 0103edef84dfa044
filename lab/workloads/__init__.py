"""What an engine is fed: order flows made from a seed, and recorded days of real exchanges.

==============  ==========================================================================
module          what it gives
==============  ==========================================================================
order_flow      seeded flows, the same bytes on every machine: ``balanced``, ``add_only``, and
                the market-like ``calm``, ``trending``, ``swinging``, ``flash_crash``, ``featured``
market_flow     what the market-like ones are made of; ``market_kernel`` makes them
arrivals        when their commands come: evenly, at random, in bursts
traces          what a flow looks like, as arrays to draw
day             a recorded day, and ``FORMATS``, the registry of readers
lobster         reads LOBSTER's message and order book files; ``lobster_writer`` writes them
databento       reads Databento's order-by-order CSV (MBO), with the book beside it (MBP)
itch            reads NASDAQ's TotalView-ITCH 5.0, every symbol; ``itch_writer`` writes it
dbn             reads Databento's binary files (DBN) through the vendor's decoder
script          a recorded day as commands for an engine, and what must come of them
recorded        a recorded day of any size: in parts for a replay, a stretch of it as a flow
==============  ==========================================================================

Importing this package loads neither Numba nor a file.
"""
