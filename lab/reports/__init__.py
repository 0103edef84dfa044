"""Reports: results as files for someone who was not there.

Question, finding, figure, table, verdict, machine, how to repeat it, then the rest and the person's
own notes. ``lab.report`` is the door; the same results give the same bytes.

========= =========================================================================
file      what it is for
========= =========================================================================
formats   what a report can be, by the ending of its file
sources   results from files, folders and reports; what is left out is named
content   what a report says, in its order, whatever the format
page      HTML that asks nothing of the network
paper     PDF, set by typst from data: nothing that was typed is ever obeyed
markdown  Markdown, the figures in a folder beside it
rows      CSV, a line a measurement
whole     JSON, every result whole
notebook  an executed notebook as a page, its widgets as figures
files     whole or not at all, and where a report lies
========= =========================================================================
"""
