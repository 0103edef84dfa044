"""What holds for all tests: where their notebooks write, and which of them never run side by side.

Tests that run notebooks write nothing into the person's own Jupyter folders, like ``lab open``. It
stands here because Jupyter reads these variables once, when it is first imported.

``make test`` has two workers. A file's tests stay on one of them, since what its fixtures make is
shared; and all files that start measured processes stay on the same one, or two measured processes
would share a CPU. That one begins with them, the other with the notebooks: they take longest.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from lab.jupyter import launch

MEASURING = {
    "tests/lab/test_affinity.py",
    "tests/lab/test_buffers.py",
    "tests/lab/test_cli.py",
    "tests/lab/test_clock.py",
    "tests/lab/test_clock_cost.py",
    "tests/lab/test_doctor.py",
    "tests/lab/test_load.py",
    "tests/lab/test_mapped_book.py",
    "tests/lab/test_memory_experiments.py",
    "tests/lab/test_memory_probes.py",
    "tests/lab/test_mmap_tuning.py",
    "tests/lab/test_open_loop.py",
    "tests/lab/test_panels.py",
    "tests/lab/test_queueing.py",
    "tests/lab/test_rivals.py",
    "tests/lab/test_runner.py",
    "tests/lab/test_scaling.py",
    "tests/lab/test_self_check.py",
    "tests/lab/test_surroundings.py",
    "tests/lab/test_sweep.py",
    "tests/lab/test_threads.py",
    "tests/lab/test_trouble.py",
    "tests/lab/test_turns.py",
    "tests/test_experiments.py",
    "tests/test_machine_experiments.py",
}
"""Files whose tests start measured processes or wait for moments."""
NOTEBOOKS = "tests/test_notebooks.py"
"""Measures too, for as long as all of the others: the other worker has it, and no test of it asks
how fast anything was."""

launch.STATE_FOLDER.mkdir(exist_ok=True)
_environment = launch.environment(os.environ)
for name in os.environ.keys() - _environment.keys():
    del os.environ[name]
os.environ.update(_environment)


@pytest.fixture(scope="session")
def smoke_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    """Return what runs an experiment at its smoke size, for real and once for all tests."""
    from lab.measure.runner import run_experiment

    found: dict[str, Any] = {}

    def run(name: str) -> Any:
        if name not in found:
            folder = tmp_path_factory.mktemp("results")
            found[name] = run_experiment(name, {}, "smoke", lambda *told: None, folder)
        return found[name]

    return run


def pytest_collection_modifyitems(config, items) -> None:
    """On a worker, put what takes longest first."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: _turn(_file(item.nodeid)))


def _turn(file: str) -> int:
    return 0 if file in MEASURING else 1 if file == NOTEBOOKS else 2


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Hand out whole files, those that measure as if they were one."""
    from xdist.scheduler import LoadScopeScheduling

    class OneMeasures(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return "measuring" if _file(nodeid) in MEASURING else _file(nodeid)

    config.option.loadscopereorder = False  # the longest first, not the most numerous
    return OneMeasures(config, log)


def _file(nodeid: str) -> str:
    return nodeid.partition("::")[0]
