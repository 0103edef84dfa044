"""What an engine is fed: order flows made from a seed, and recorded days of real exchanges.

==============  ==========================================================================
module          what it gives
==============  ==========================================================================
order_flow      seeded flows, the same bytes on every machine: ``balanced``, ``add_only``, and
                the market-like ``calm``, ``trending``, ``swinging``, ``flash_crash``, ``featured``
market_flow     what the market-like ones are made of; ``market_kernel``, ``market_book``
arrivals        when their commands come: evenly, at random, in bursts
day             a recorded day, and ``FORMATS``, the registry of readers
lobster         reads LOBSTER's message and order book files; ``lobster_writer`` writes them
databento       reads Databento's order-by-order CSV (MBO), with the book beside it (MBP)
script          a recorded day as commands for an engine, and what must come of them
==============  ==========================================================================

Importing this package loads neither Numba nor a file.
"""
