"""Measuring: from a question and its rivals to a result that says how far it can be trusted.

============  ================================================================================
running
------------  --------------------------------------------------------------------------------
runner        an experiment: its parameters checked, measured, judged, saved
bench         what it measures with: shared arrays, rounds of processes that take turns
process       one measured process, let go on a turn at a time
worker, talk  what runs in it, and what it says and is granted
steady        when it is warm
lifeline      processes that end with their parent, and on a signal
shared        arrays that a run and its processes map
job           a run in the background, for panels and sweeps
progress      how far a run is, for a person or for a program
sweep         many runs, a point of a grid each; ``grid`` its values, ``sweep_folder`` where they
              lie, ``sweep_door`` the same from a notebook
open_loop     commands that come when they are due; ``servers`` that take them, the ``knee`` of a
              load sweep, ``queueing`` theory, and ``simulated`` servers held against it
histogram     times from 1 ns to 1 h within 0.1 %; ``recorder`` fills it inside compiled loops
over_time     a coarse one for each slice of a pass: when times were taken
------------  --------------------------------------------------------------------------------
judging
------------  --------------------------------------------------------------------------------
tally         readings of many processes as measurements and comparisons
effects       how large a difference is, beside how far the same code differs from itself
statistics    intervals that assume no distribution
significance  ranks within rounds, and false discoveries among many tests
sequential    several looks that share one error rate; ``peeking`` is what they cost otherwise
shape         outliers, groups and drifts that a median hides; ``dip`` finds groups, ``insides``
              keeps them and some turns
verdict       whether the numbers stand, and the finding in one sentence
words         ratios, shares and noise as a person reads them
------------  --------------------------------------------------------------------------------
results
------------  --------------------------------------------------------------------------------
result        the versioned file that a run leaves
claims        what a stored comparison claims
comparison    results of two times, commits or machines side by side; ``sides`` which they are,
              ``comparable`` what is refused, ``between`` how far runs of the same code differ
history       one experiment over time; ``work`` which results stand in one row, ``changes`` where
              their level moved, ``scan`` how clearly
============  ================================================================================
"""
