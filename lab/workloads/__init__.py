"""What an engine is fed: order flows made from a seed, and recorded days of real exchanges.

==============  ==========================================================================
module          what it gives
==============  ==========================================================================
order_flow      seeded flows, the same bytes on every machine: ``balanced``, ``add_only``
day             a recorded day, and ``FORMATS``, the registry of readers
lobster         reads LOBSTER's message and order book files; ``lobster_writer`` writes them
databento       reads Databento's order-by-order CSV (MBO), with the book beside it (MBP)
script          a recorded day as commands for an engine, and what must come of them
==============  ==========================================================================

Importing this package loads neither Numba nor a file.
"""
