"""The experiments on the machine itself, and on what an engine feels of it."""

from __future__ import annotations

from lab.experiments.experiment import Experiment

ABOUT_MACHINES: tuple[Experiment, ...] = ()
