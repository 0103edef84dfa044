"""Measuring: from a question and its rivals to a result that says how far it can be trusted.

===========  =================================================================================
histogram    times from 1 ns to 1 h within 0.1 %, mergeable, in the HdrHistogram encoding
recorder     the same, filled inside compiled loops
runner       fresh processes, interleaved in random order, each rival also against itself
worker       what runs in such a process
shared       arrays that a run and its processes map
lifeline     processes that end with their parent, and on a signal
statistics   intervals, ratios and the noise floor, without assuming a distribution
tally        readings of many processes as measurements and comparisons
verdict      whether the numbers stand, and the finding in one sentence
result       the versioned file that a run leaves
comparison   two results side by side
progress     how far a run is, for a person or for a program
job          a run in the background, for panels and sweeps
===========  =================================================================================
"""
