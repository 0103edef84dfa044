"""Matching engines: one contract, several structures.

Which structure keeps resting orders so that the next command is answered fastest? Each of these
gives the same events, byte for byte; ``reference`` is the oracle that the others are held against.

============  =========================================  ==========  ==========  ============
engine        structure                                  add         cancel      next best
============  =========================================  ==========  ==========  ============
reference     dict of price to list of orders, Python    O(m)        O(n)        O(m)
sorted_array  one array a side in price order, Numba     O(n)        O(n)        O(1)
binary_heap   heapq with lazy deletion, Python           O(log n)    O(1)        O(log n)
price_ladder  64-tick pages behind a hash, Numba         O(1)        O(1)        O(1)
native        the same buffer and pages, C++             O(1)        O(1)        O(1)
textbook      std::map of std::list, C++                 O(log m)    O(log m)    O(1)
============  =========================================  ==========  ==========  ============

n live orders, m price levels. ``reference``, ``price_ladder`` and ``native`` carry out every rule
of ``engines.matching.rules``. ``sorted_array`` and ``binary_heap`` are the log's engines and stay
what they were, and ``textbook`` is the answer of every interview: limit and market orders, GTC and
IOC, cancel, reduce and replace in continuous trading. They look at all fields of an order as the
others do, then reject what needs more as UNSUPPORTED.

``IMPLEMENTATIONS`` is the one registry that tests, experiments, plots and panels read. Adding a
rival is one file and one entry here. Where no C++ compiler was found, ``native`` and ``textbook``
are registered and cannot be made: ``present`` names those that can, ``missing`` says why not.
"""

from engines.matching.api import Clock, Feature, Implementation, MatchingEngine

_ALL = frozenset(Feature)
_PLAIN = frozenset(
    [
        Feature.LIMIT,
        Feature.MARKET,
        Feature.IOC,
        Feature.CANCEL,
        Feature.REDUCE,
        Feature.REPLACE,
    ]
)

IMPLEMENTATIONS: dict[str, Implementation] = {
    entry.name: entry
    for entry in (
        Implementation(
            "reference",
            "the oracle: dicts and lists in plain Python, obviously right",
            *("O(m)", "O(n)", "O(m)"),
            _ALL,
            "engines.matching.reference:Reference",
        ),
        Implementation(
            "sorted_array",
            "numpy arrays kept in price order, matched by Numba: the log's first engine",
            *("O(n)", "O(n)", "O(1)"),
            _PLAIN,
            "engines.matching.sorted_array:SortedArray",
        ),
        Implementation(
            "binary_heap",
            "heapq over slotted orders with lazy deletion: the log's second engine",
            *("O(log n)", "O(1)", "O(log n)"),
            _PLAIN,
            "engines.matching.binary_heap:BinaryHeap",
        ),
        Implementation(
            "price_ladder",
            "pages of 64 ticks behind one hash directory, bitmaps to the next level, Numba",
            *("O(1)", "O(1)", "O(1)"),
            _ALL,
            "engines.matching.price_ladder:PriceLadder",
        ),
        Implementation(
            "native",
            "the same ladder in C++, on the same buffer",
            *("O(1)", "O(1)", "O(1)"),
            _ALL,
            "engines.matching.native:Native",
            in_cpp=True,
        ),
        Implementation(
            "textbook",
            "std::map of std::list with an unordered_map, C++: the answer of every interview",
            *("O(log m)", "O(log m)", "O(1)"),
            _PLAIN,
            "engines.matching.textbook:Textbook",
            in_cpp=True,
        ),
    )
}


def present() -> list[str]:
    """Return the names of the engines that can be made here, in the order of the registry."""
    return [entry.name for entry in IMPLEMENTATIONS.values() if not entry.missing]


__all__ = ["IMPLEMENTATIONS", "Clock", "Feature", "Implementation", "MatchingEngine", "present"]
