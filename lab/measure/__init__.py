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
claims       what a stored comparison claims, in words
result       the versioned file that a run leaves
comparison   results of two times, commits or machines side by side
comparable   what may be compared, and what is refused
between      a change between runs, held against how runs of the same code differ
sides        which saved results a word means: a file, a commit, a machine
work         which results did the same work in the same way
history      one experiment over time, and where its level moved
grid         the values that a sweep gives to each parameter
sweep        many runs, a point of a grid each; interrupted, it goes on
peeking      what looking early costs, by simulation
progress     how far a run is, for a person or for a program
job          a run in the background, for panels and sweeps
===========  =================================================================================
"""
