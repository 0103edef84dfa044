"""Measuring: from a question and its rivals to a result that says how far it can be trusted.

histogram     times from 1 ns to 1 h within 0.1 %, mergeable, in the HdrHistogram encoding
recorder      the same, filled inside compiled loops
runner        fresh processes, interleaved in random order, each rival also against itself
worker        what runs in such a process
statistics    intervals, ratios and the noise floor, without assuming a distribution
verdict       whether the numbers stand, and the finding in one sentence
result        the versioned file that a run leaves
job           a run in the background, for panels and sweeps
"""
