"""The command line as people script it: one object on stdout, one line for a mistake."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from engines.matching import IMPLEMENTATIONS, present
from lab import cli
from lab.experiments import EXPERIMENTS
from lab.experiments.parameters import controls_of
from lab.measure.result import load
from lab.options import describe

ROOT = Path(__file__).resolve().parents[2]
LAB = [sys.executable, "-m", "lab"]
COMMANDS = ["open", "list", "probe", "run", "sweep", "replay", "history", "compare", "report"]
Run = Callable[..., subprocess.CompletedProcess[str]]
ENGINE = "binary_heap"  # plain Python: nothing is compiled
SMALL = ["--messages=200", "--live-orders=100", "--rounds=1", "--seconds=0.01", "--engines", ENGINE]


def lab(*words: str | Path, **settings: Any) -> subprocess.CompletedProcess[str]:
    """Run a command as a script does."""
    command = [*LAB, *(str(word) for word in words)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, **settings)


def here(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command in this process: a new one loads for half a second, which adds up."""
    output, errors = io.StringIO(), io.StringIO()
    with redirect_stdout(output), redirect_stderr(errors), pytest.raises(SystemExit) as left:
        cli.main([str(word) for word in words])
    assert isinstance(left.value.code, int)
    return subprocess.CompletedProcess(words, left.value.code, output.getvalue(), errors.getvalue())


def mistake(*words: str | Path, run: Run = here) -> str:
    """Run a command that is called wrongly; return its one line."""
    seen = run(*words)
    assert seen.returncode == 2, seen
    assert seen.stdout == ""
    lines = [line for line in seen.stderr.splitlines() if not line.startswith('{"phase"')]
    assert len(lines) == 1, seen.stderr
    assert lines[0].startswith("lab: ")
    return lines[0].removeprefix("lab: ")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    """Two real runs of one experiment, and what they printed."""
    folder = tmp_path_factory.mktemp("a folder with spaces")
    printed = []
    for seed in ("1", "2"):
        words = ["matching_throughput", *SMALL, "--seed", seed, "--folder", folder, "--json"]
        seen = lab("run", *words)
        assert seen.returncode == 0, seen.stderr
        printed.append(json.loads(seen.stdout))
        phases = [json.loads(line)["phase"] for line in seen.stderr.splitlines()]
        assert phases[0] == "starting"
        assert set(phases) <= {"starting", "compiling", "warming", "measuring"}
        assert phases[-1] == "measuring"
    return folder, printed


class TestRun:
    def test_prints_the_contract(self, runs: tuple[Path, list[dict[str, Any]]]) -> None:
        printed = runs[1][0]
        assert {"experiment", "parameters", "machine", "verdict", "measurements"} <= set(printed)
        assert printed["experiment"] == "matching_throughput"
        assert {"stable", "reason", "remedy"} <= set(printed["verdict"])
        fields = {"rival", "case", "metric", "unit", "median", "low", "high", "runs", "digest_ok"}
        for measurement in printed["measurements"]:
            assert fields <= set(measurement)
            assert measurement["digest_ok"]
            assert measurement["low"] <= measurement["median"] <= measurement["high"]

    def test_options_reach_the_experiment(self, runs: tuple[Path, list[dict[str, Any]]]) -> None:
        parameters = runs[1][1]["parameters"]
        assert (parameters["messages"], parameters["seed"]) == (200, 2)
        assert parameters["engines"] == [ENGINE]

    def test_saves_what_it_prints(self, runs: tuple[Path, list[dict[str, Any]]]) -> None:
        folder, printed = runs
        saved = load(printed[0]["path"])
        assert Path(printed[0]["path"]).parent == folder
        assert saved.parameters == printed[0]["parameters"]
        assert len(list(folder.iterdir())) == 2

    def test_the_result_names_the_command_that_repeats_it(
        self, runs: tuple[Path, list[dict[str, Any]]], tmp_path: Path
    ) -> None:
        saved = load(runs[1][0]["path"])
        words = saved.command().split()
        assert words[:3] == ["lab", "run", "matching_throughput"]
        seen = here(*words[1:], "--folder", tmp_path, "--json")
        assert json.loads(seen.stdout)["parameters"] == saved.parameters

    def test_without_json_a_person_reads_a_table(self, tmp_path: Path) -> None:
        seen = here("run", "matching_throughput", *SMALL, "--folder", tmp_path)
        assert seen.returncode == 0, seen.stderr
        assert re.search(r"^rival +case +metric +median", seen.stdout, re.M)
        assert re.search(rf"^{ENGINE} +balanced .*right$", seen.stdout, re.M)
        assert str(next(tmp_path.iterdir())) in seen.stdout

    def test_interrupt_leaves_nothing_behind(self, tmp_path: Path) -> None:
        """Ctrl-C in the middle of measuring: 130, one line, no file, no process."""
        words = [
            "matching_throughput",
            *SMALL,
            "--seconds",
            "30",
            "--folder",
            str(tmp_path),
            "--json",
        ]
        process = subprocess.Popen(
            [*LAB, "run", *words],
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            start_new_session=True,
        )
        assert process.stderr is not None
        for line in process.stderr:
            if json.loads(line)["phase"] == "measuring" and json.loads(line)["total"]:
                break
        children = descendants(process.pid)
        assert children
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=10)
        assert process.returncode == 130
        assert output == ""
        assert errors.splitlines()[-1] == "lab: interrupted; nothing was written"
        assert "Traceback" not in errors
        assert list(tmp_path.iterdir()) == []
        assert not [pid for pid in children if Path(f"/proc/{pid}/exe").exists()]

    def test_progress_on_a_terminal_is_one_line_that_goes_away(self, tmp_path: Path) -> None:
        words = ["matching_throughput", *SMALL, "--folder", str(tmp_path), "--json"]
        master, slave = pty.openpty()
        process = subprocess.Popen(
            [*LAB, "run", *words], stdout=subprocess.PIPE, stderr=slave, cwd=ROOT
        )
        os.close(slave)
        shown = read_all(master)
        output = process.communicate(timeout=60)[0]
        assert process.returncode == 0, shown
        assert json.loads(output)["experiment"] == "matching_throughput"
        assert "measuring" in shown
        assert "\n" not in shown
        assert '{"phase"' not in shown
        assert shown.endswith("\r\x1b[K")

    def test_first_sign_of_life_comes_before_the_heavy_imports(self) -> None:
        """0.07 s on a quiet machine; a panel has half a second to name the phase."""
        waits = []
        for _ in range(3):
            start = time.monotonic()
            command = [*LAB, "run", "matching_latency", "--live-orders", "7", "--json"]
            process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT)
            assert process.stderr is not None
            first = json.loads(process.stderr.readline())
            waits.append(time.monotonic() - start)
            process.communicate()
            assert first["phase"] == "starting"
        assert min(waits) < 0.5


def descendants(parent: int) -> list[int]:
    """The processes that a process has started, and those that they have."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == parent:
            child = int(stat.parent.name)
            found += [child, *descendants(child)]
    return found


def read_all(descriptor: int) -> str:
    """Everything that is written to a terminal until it is closed."""
    parts = []
    while True:
        try:
            part = os.read(descriptor, 4096)
        except OSError:  # how Linux says that the other side has closed
            break
        if not part:
            break
        parts.append(part.decode())
    os.close(descriptor)
    return "".join(parts)


class TestMistakes:
    @pytest.mark.parametrize(
        "words, expected",
        [
            (["rnu"], "no such command 'rnu'"),
            (["run", "matching_latncy"], "did you mean matching_latency?"),
            (["run", "zzz"], "choose from matching_throughput"),
            (["run", "matching_latency", "--live-orders", "7"], "live_orders 7 is below 100"),
            (["run", "matching_latency", "--live-orders", "many"], "is not a whole number"),
            (["run", "matching_latency", "--flow", "balancd"], "did you mean balanced?"),
            (["run", "matching_latency", "--engines", "price_ladr"], "did you mean price_ladder?"),
            (["run", "matching_latency", "--live-ordrs", "700"], "live-orders"),
            (
                ["run", "matching_latency", "--core", "1000", *SMALL],
                "core 1000 cannot be used here",
            ),
            (["probe", "--root", "/nowhere"], "'/nowhere' does not exist"),
            (["replay", "/nowhere", "--format", "lobster"], "'/nowhere' does not exist"),
            (["compare", "/nowhere.json", "/nowhere.json"], "/nowhere.json: cannot be read"),
            (["report"], "missing argument"),
            (["report", "/nowhere.json"], "/nowhere.json: cannot be read"),
            (["open", "/nowhere.ipynb"], "notebook /nowhere.ipynb does not exist"),
        ],
    )
    def test_one_line_says_what_and_what_instead(self, words: list[str], expected: str) -> None:
        assert expected in mistake(*words)

    @pytest.mark.parametrize(
        "words, expected",
        [
            (["run", "matching_latncy"], "did you mean matching_latency?"),
            (["run", "matching_latency", "--live-orders", "7"], "live_orders 7 is below 100"),
            (["report", "/nowhere.json"], "/nowhere.json: cannot be read"),
        ],
    )
    def test_and_so_it_is_where_a_shell_runs_it(self, words: list[str], expected: str) -> None:
        assert expected in mistake(*words, run=lab)

    @pytest.mark.parametrize("value", ["nan", "inf"])
    def test_what_is_no_number_is_not_held_against_a_bound(self, value: str) -> None:
        expected = f"seconds '{value}' is not a number; choose 0.01..60"
        assert expected in mistake("run", "matching_latency", "--seconds", value)

    def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_measured(
        self, tmp_path: Path
    ) -> None:
        (tmp_path / "file").write_text("")
        words = ["run", "matching_latency", *SMALL, "--folder", str(tmp_path / "file" / "below")]
        seen = here(*words)
        assert seen.returncode == 2
        assert "making" not in seen.stderr
        assert "cannot be written" in seen.stderr.splitlines()[-1]

    def test_unknown_engine_of_a_replay(self) -> None:
        assert "did you mean price_ladder?" in mistake(
            "replay", __file__, "--format", "lobster", "--engine", "price_lader"
        )

    def test_unknown_format_of_a_replay(self) -> None:
        assert "lobster, databento" in mistake("replay", __file__, "--format", "lobstr")

    def test_damaged_result(self, tmp_path: Path) -> None:
        damaged = tmp_path / "cut.json"
        damaged.write_text('{"schema_version": 1, "experi')
        assert f"{damaged}" in mistake("report", damaged)

    def test_folder_without_results(self, tmp_path: Path) -> None:
        assert "holds no results" in mistake("report", tmp_path)

    def test_no_words_at_all_shows_the_help(self) -> None:
        seen = lab()
        assert (seen.returncode, seen.stdout) == (2, "")
        assert "Commands:" in seen.stderr

    def test_a_reader_that_stops_early_is_no_error_message(self) -> None:
        seen = subprocess.run(
            f"'{sys.executable}' -m lab list --json | head -c 1",
            shell=True,
            capture_output=True,
            text=True,
            cwd=ROOT,
        )
        assert (seen.stdout, seen.stderr) == ("{", "")


class TestHelp:
    @pytest.mark.parametrize("name", EXPERIMENTS)
    def test_each_parameter_with_bounds_unit_and_default(self, name: str) -> None:
        experiment = EXPERIMENTS[name]
        text = " ".join(here("run", name, "--help").stdout.split())
        assert experiment.question in text
        for control in controls_of(experiment.model()):
            head, help_text = describe(control)
            assert head.split()[0] in text
            assert control.description and control.description in help_text
            if control.low is not None and control.kind == "int":
                assert f"{int(control.low):_} to " in help_text
            # The help is folded at spaces and hyphens.
            assert "".join(help_text.split()) in text.replace(" ", "")

    @pytest.mark.parametrize("command", COMMANDS)
    def test_each_command_teaches(self, command: str) -> None:
        seen = here(command, "--help")
        assert seen.returncode == 0
        name = "matching_latency" if command == "run" else command
        text = here("run", name, "--help").stdout if command == "run" else seen.stdout
        assert re.search(rf"^ +lab {command}\b", text, re.M)

    def test_commands_are_those_of_this_release(self) -> None:
        listed = here("--help").stdout.partition("Commands:")[2]
        found = re.findall(r"^  (\w+)", listed, re.M)
        assert sorted(found) == sorted(COMMANDS)

    def test_a_bound_can_be_typed_as_it_is_shown(self) -> None:
        values = EXPERIMENTS["matching_latency"].parameters({"live_orders": "1_000_000"})
        assert values["live_orders"] == 1_000_000


class TestListAndProbe:
    def test_list(self) -> None:
        listed = json.loads(lab("list", "--json").stdout)
        assert [entry["name"] for entry in listed["experiments"]] == list(EXPERIMENTS)
        assert [entry["name"] for entry in listed["engines"]] == list(IMPLEMENTATIONS)
        assert {entry["name"] for entry in listed["flows"]} >= {"balanced", "add_only"}
        text = here("list").stdout
        assert all(entry.question in text for entry in EXPERIMENTS.values())
        assert all(name in text for name in IMPLEMENTATIONS)

    def test_probe_of_this_machine(self) -> None:
        seen = lab("probe", "--json")
        probed = json.loads(seen.stdout)
        counts = {"packages", "cores", "pus", "numa_nodes", "caches", "distances"}
        assert counts | {"doctor", "clock", "machine"} <= set(probed)
        assert all(set(row) == {"level", "type", "bytes", "count"} for row in probed["caches"])
        assert all(
            set(finding) == {"title", "severity", "evidence", "remedy"}
            for finding in probed["doctor"]
        )
        assert probed["pus"] >= 1

    def test_probe_text_names_the_limits(self) -> None:
        text = lab("probe").stdout
        assert re.search(r"^timer +[\d.]+ ns a reading", text, re.M)
        assert "what limits a measurement here" in text

    def test_probe_of_a_folder_that_shows_nothing(self, tmp_path: Path) -> None:
        probed = json.loads(here("probe", "--root", tmp_path, "--json").stdout)
        assert probed["pus"] == 0
        assert probed["notes"]
        assert here("probe", "--root", tmp_path).returncode == 0


class TestReplay:
    day = next((ROOT / "data" / "samples").glob("*.zip"))
    fields = (
        "file engine messages rows_checked rows_equal fifo_checked fifo_equal first_difference "
        "digest"
    )

    def test_our_own_day_passes_its_check(self) -> None:
        words = ["--format", "lobster", "--engine", "price_ladder", "--check", "--json"]
        seen = lab("replay", self.day, *words)
        assert seen.returncode == 0, seen.stderr
        printed = json.loads(seen.stdout)
        assert list(printed) == self.fields.split()
        assert printed["rows_equal"] == printed["rows_checked"] > 1_000
        assert printed["fifo_equal"] == printed["fifo_checked"] > 0
        assert printed["first_difference"] is None

    def test_one_wrong_number_in_the_recorded_book_leaves_with_1(self, tmp_path: Path) -> None:
        with zipfile.ZipFile(self.day) as archive:
            archive.extractall(tmp_path)
        message, book = sorted(tmp_path.glob("*.csv"), key=lambda path: "orderbook" in path.name)
        rows = book.read_text().splitlines()
        price, size, rest = rows[1_000].split(",", 2)
        rows[1_000] = f"{price},{int(size) + 1},{rest}"
        book.write_text("\n".join(rows) + "\n")
        words = ["--format", "lobster", "--engine", "price_ladder", "--check"]
        seen = lab("replay", message, *words, "--json")
        printed = json.loads(seen.stdout)
        assert seen.returncode == 1
        assert printed["rows_checked"] - printed["rows_equal"] in (1, 2)  # it, and what follows it
        assert "1001" in printed["first_difference"]
        assert "first difference" in here("replay", message, *words).stdout

    def test_all_engines_end_with_one_book(self) -> None:
        seen = here("replay", self.day, "--format", "lobster", "--json")
        printed = json.loads(seen.stdout)
        assert seen.returncode == 0
        assert printed["passed"]
        assert [replay["engine"] for replay in printed["replays"]] == present()
        assert len({replay["digest"] for replay in printed["replays"]}) == 1


class TestReport:
    def test_a_folder_becomes_one_page(
        self, runs: tuple[Path, list[dict[str, Any]]], tmp_path: Path
    ) -> None:
        page = tmp_path / "page.html"
        seen = lab("report", runs[0], "--output", page, "--title", "<b>Ours</b>", "--json")
        assert seen.returncode == 0, seen.stderr
        printed = json.loads(seen.stdout)
        assert Path(printed["path"]) == page
        assert len(printed["results"]) == 2
        text = page.read_text()
        assert "&lt;b&gt;Ours&lt;/b&gt;" in text
        assert "lab run matching_throughput" in text


def test_a_wrong_number_leaves_with_1(
    runs: tuple[Path, list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a run whose digest is wrong means for a script."""
    import lab.measure.runner as runner

    result = load(runs[1][0]["path"])
    result.measurements[0].digest_ok = False
    monkeypatch.setattr(runner, "run_experiment", lambda *_, **__: result)
    with pytest.raises(SystemExit) as left:
        cli.main(["run", "matching_throughput", "--json"])
    assert left.value.code == 1
