"""``import lab``: the functions of a notebook, light until they are called."""

from __future__ import annotations

import inspect
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import lab
from engines.errors import InputError
from lab.measure.result import Result, save

ROOT = Path(__file__).resolve().parents[2]
HEAVY = {"numba", "llvmlite", "matplotlib", "pydantic", "ipywidgets", "numpy", "click"}
SMALL = {"messages": 200, "live_orders": 100, "rounds": 1, "seconds": 0.01}


def test_importing_loads_nothing_heavy() -> None:
    code = f"import sys, lab; dir(lab), lab.run, lab.report; print({HEAVY!r} & set(sys.modules))"
    seen = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert seen.stdout.strip() == "set()"


@pytest.mark.parametrize(
    "words", [["--help"], ["list"], ["run", "--help"], ["run", "matching_latency", "--help"]]
)
def test_help_and_list_load_no_compiler_and_no_plotter(words: list[str]) -> None:
    code = (
        "import sys; from lab.cli import main; main(sys.argv[1:], standalone_mode=False);"
        "print('loaded:', sorted({'numba', 'llvmlite', 'matplotlib'} & set(sys.modules)))"
    )
    seen = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert seen.stdout.splitlines()[-1] == "loaded: []"


def test_the_door_is_the_nine_functions_and_each_is_documented() -> None:
    names = ["book", "browse", "compare", "history", "panel", "report", "results", "run", "sweep"]
    assert sorted(lab.__all__) == names
    for name in lab.__all__:
        function = getattr(lab, name)
        assert inspect.isfunction(function)
        assert "Parameters\n" in (inspect.getdoc(function) or "")


def test_report_stays_a_function_when_its_module_is_imported() -> None:
    code = "import lab, lab.report; from lab.report import write; print(type(lab.report))"
    seen = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert seen.stdout.strip() == "<class 'function'>"


class TestRun:
    def test_a_real_run_is_returned_and_found_again(self) -> None:
        result = lab.run("matching_throughput", engines=["binary_heap"], **SMALL)
        try:
            assert result.measurements[0].digest_ok
            assert [row["rival"] for row in result.rows()] == ["binary_heap"]
            assert result.path in [other.path for other in lab.results("matching_throughput")]
        finally:
            assert result.path is not None
            result.path.unlink()

    def test_a_mistake_is_said_before_anything_starts(self) -> None:
        start = time.monotonic()
        with pytest.raises(InputError, match="live_orders 7 is below 100; choose 100"):
            lab.run("matching_throughput", live_orders=7)
        with pytest.raises(InputError, match="did you mean matching_latency"):
            lab.run("matching_latncy")
        with pytest.raises(InputError, match="size huge is unknown"):
            lab.run("matching_latency", size="huge")
        assert time.monotonic() - start < 2

    def test_in_a_notebook_one_output_says_how_far_it_is(self) -> None:
        import nbformat
        from nbclient import NotebookClient

        arguments = "'matching_throughput', engines=['binary_heap'], **SMALL"
        code = f"import lab\nSMALL = {SMALL!r}\nr = lab.run({arguments})\nr.path.unlink()"
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
        NotebookClient(notebook, timeout=60, kernel_name="python3").execute(cwd=ROOT)
        (output,) = notebook.cells[0].outputs
        assert output["data"]["text/plain"].startswith("matching_throughput  done in ")

    def test_the_stop_button_stops_the_measured_processes(self) -> None:
        """What Jupyter's stop button does: SIGINT to the process that waits."""
        code = (
            "import lab\n"
            "try:\n    lab.run('matching_throughput', engines=['binary_heap'], seconds=30)\n"
            "except KeyboardInterrupt:\n    print('interrupted')\n"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        deadline = time.monotonic() + 30
        while not (started := children_of(process.pid)) and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(1)
        started = children_of(process.pid)
        process.send_signal(2)
        assert process.communicate(timeout=10)[0].strip() == "interrupted"
        time.sleep(0.3)
        assert started
        assert not [pid for pid in started if Path(f"/proc/{pid}/exe").exists()]


def children_of(parent: int) -> list[int]:
    """The processes that a process, and those that it started, have started."""
    found: list[int] = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == parent:
            child = int(stat.parent.name)
            found += [child, *children_of(child)]
    return found


class TestResults:
    def test_newest_first_and_by_experiment(
        self,
        tmp_path: Path,
        throughput_result: Callable[..., Result],
        latency_result: Callable[..., Result],
    ) -> None:
        old, new = throughput_result(), throughput_result()
        old.created = "2026-01-01T00:00:00Z"
        for result in (old, new, latency_result(samples=100)):
            save(result, tmp_path)
        assert [r.created for r in lab.results("matching_throughput", tmp_path)] == [
            new.created,
            old.created,
        ]
        assert len(lab.results(folder=tmp_path)) == 3


class TestCompareAndReport:
    def test_results_and_their_files_are_the_same_to_both(
        self, tmp_path: Path, throughput_result: Callable[..., Result]
    ) -> None:
        before, after = throughput_result({"heap": 1e6}), throughput_result({"heap": 4e6})
        path = save(before, tmp_path)
        assert (
            lab.compare(path, after).rows()
            == lab.compare(before, str(save(after, tmp_path))).rows()
        )
        assert "faster by 4.0 times" in lab.compare(before, after)._repr_html_()
        pages = [
            lab.report(chosen, tmp_path / folder / "page.html")
            for folder, chosen in (("a", before), ("b", [path]))
        ]
        assert pages[0].read_text() == pages[1].read_text()

    def test_what_a_result_holds_is_shown_and_not_obeyed(
        self, throughput_result: Callable[..., Result]
    ) -> None:
        before, after = (throughput_result({"<script>": 1e6}) for _ in range(2))
        shown = lab.compare(before, after)._repr_html_()
        assert "<script>" not in shown
        assert "&lt;script&gt;" in shown

    def test_different_experiments_are_refused(
        self, throughput_result: Callable[..., Result], latency_result: Callable[..., Result]
    ) -> None:
        with pytest.raises(InputError, match="different experiments"):
            lab.compare(throughput_result(), latency_result(samples=100))


def test_an_unknown_panel_is_named() -> None:
    with pytest.raises(InputError, match="did you mean matching_latency"):
        lab.panel("matching_latncy")


def test_the_door_can_be_used_from_a_thread(throughput_result: Callable[..., Result]) -> None:
    """A widget's callback runs in one."""
    seen: list[float] = []
    result = throughput_result({"heap": 1e6})
    thread = threading.Thread(
        target=lambda: seen.append(lab.compare(result, result).changes[0].ratio)
    )
    thread.start()
    thread.join()
    assert seen == [1.0]
