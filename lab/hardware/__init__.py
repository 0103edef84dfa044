"""What the machine is, and what stands in the way of measuring on it.

``topology`` (how it is built, as ``cores``, ``caches``, ``nodes``, ``tiers`` and ``cpu_kinds`` read
it, and by ``allowance`` what of it may be used), ``affinity`` (pinning), ``whereabouts`` (proof of
it), ``scheduling`` (real time), ``gaps`` and ``interruptions`` (what a core loses, and to whom),
``handoff`` (a word between two cores), ``memory`` (buffers whose backing, page size and memory node
are chosen, and looked at page by page), ``chase`` (what a load from memory takes), ``walks``,
``stream`` and ``faults`` (what goes through memory, moves bytes and meets pages for the first
time), ``mounts`` (on which file system a folder is), ``clock`` (ticks to nanoseconds),
``time_sources`` and ``clock_survey`` (what each clock costs; whether they agree), ``counters``
(cycles, instructions and misses, where they are counted),
``doctor`` (what limits a measurement here) and ``machine`` (who it is, and all of it in one place).
Everything that is read from files takes a ``root``, so that the files of another machine can be
looked at.

The system is changed only through ``settings``, and only where somebody asked for it: each change
is in a ``ledger`` before it is made, and is given back at the end, or by a ``guard`` after a kill.
"""
