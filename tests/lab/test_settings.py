"""Changes to the system are given back after success, failure, Cancel and kill: real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab.hardware import ledger, settings
from lab.hardware.settings import SettingRefused, changed, give_back, holders, keep
from lab.measure.lifeline import python
from lab.mending import mend, mended_text, undo, undone_text

HUGE = "/proc/sys/vm/nr_hugepages"
THP = "/sys/kernel/mm/transparent_hugepage/enabled"
SMT = "/sys/devices/system/cpu/smt/control"
CLOCK = "/sys/devices/system/clocksource/clocksource0/current_clocksource"
DEFRAG = Path("/sys/kernel/mm/transparent_hugepage/defrag")
WAIT_S = 20.0
CHANGES = f"""
import sys, time
from lab.hardware.settings import changed
from lab.measure.lifeline import terminate_as_interrupt
root, how = sys.argv[1:]
with terminate_as_interrupt(), changed({{"{HUGE}": 7, "{THP}": "never"}}, root=root):
    print("changed", flush=True)
    if how == "failure":
        raise RuntimeError("for this test")
    if how == "waiting":
        time.sleep(60)
"""


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine's files, and a state folder of this test alone."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    root = tmp_path / "root"
    for name, text in ((HUGE, "3"), (THP, "always [madvise] never")):
        path = root / name.lstrip("/")
        path.parent.mkdir(parents=True)
        path.write_text(f"{text}\n")
    return root


def values(root: Path) -> tuple[str, str]:
    """What the two settings of the tree say."""
    return tuple((root / name.lstrip("/")).read_text().strip() for name in (HUGE, THP))


def write_feelings(root: Path) -> None:
    """Make the tree a machine of two hardware threads, whose clock and huge pages can be mended."""
    cpu = "/sys/devices/system/cpu"
    texts = {
        f"{cpu}/online": "0-1",
        f"{cpu}/cpu0/topology/core_cpus_list": "0-1",
        f"{cpu}/cpu1/topology/core_cpus_list": "0-1",
        SMT: "on",
        CLOCK: "hpet",
        f"{Path(CLOCK).parent}/available_clocksource": "tsc hpet",
        "/proc/cpuinfo": "flags : tsc constant_tsc nonstop_tsc",
        THP: "[always] madvise never",
    }
    for name, text in texts.items():
        path = root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")


BEFORE = ("3", "always [madvise] never")
# A plain file keeps what was written to it; the kernel would say "always madvise [never]".
WITHIN = ("7", "never")
AFTER = ("3", "madvise")


def files() -> list[str]:
    """The ledgers that there are."""
    return sorted(path.name for path in ledger.state_folder().glob("*.json"))


def until(what, seconds: float = WAIT_S) -> bool:
    """Wait for something to come true."""
    end = time.monotonic() + seconds
    while not what() and time.monotonic() < end:
        time.sleep(0.01)
    return bool(what())


def start(root: Path, how: str) -> subprocess.Popen[str]:
    """Start a process that changes both settings; return once it has."""
    process = subprocess.Popen(
        python("-c", CHANGES, str(root), how),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "changed\n"
    return process


def finish(process: subprocess.Popen[str]) -> int:
    """Wait for a process and close what it wrote to."""
    process.communicate(timeout=WAIT_S)
    return process.returncode


def guards_of(pid: int) -> list[int]:
    """The processes that watch a process."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"lab.hardware.guard" in words and str(pid).encode() in words:
            found.append(int(folder.name))
    return found


class TestGivenBack:
    def test_after_success(self, tree: Path) -> None:
        process = start(tree, "success")
        assert finish(process) == 0
        assert values(tree) == AFTER
        assert files() == []
        assert guards_of(process.pid) == []

    def test_after_failure(self, tree: Path) -> None:
        process = start(tree, "failure")
        assert finish(process) == 1
        assert values(tree) == AFTER
        assert files() == []

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_after_cancel(self, tree: Path, number: signal.Signals) -> None:
        process = start(tree, "waiting")
        assert values(tree) == WITHIN
        process.send_signal(number)
        assert finish(process) != 0
        assert values(tree) == AFTER
        assert files() == []

    def test_after_a_kill_the_guard_does(self, tree: Path) -> None:
        process = start(tree, "waiting")
        assert len(files()) == 1
        process.kill()
        finish(process)
        assert until(lambda: values(tree) == AFTER)
        assert until(lambda: files() == [])
        assert until(lambda: guards_of(process.pid) == [])

    def test_what_ends_a_terminal_does_not_end_the_guard(self, tree: Path) -> None:
        process = start(tree, "waiting")
        (guard,) = guards_of(process.pid)
        assert os.getsid(guard) != os.getsid(process.pid)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(guard, number)
        process.kill()
        finish(process)
        assert until(lambda: values(tree) == AFTER)

    def test_after_a_kill_of_both_the_next_command_does(self, tree: Path) -> None:
        process = start(tree, "waiting")
        for pid in (*guards_of(process.pid), process.pid):
            os.kill(pid, signal.SIGKILL)
        finish(process)
        assert values(tree) == WITHIN
        seen = subprocess.run(python("-m", "lab", "list", "--json"), capture_output=True, text=True)
        assert seen.returncode == 0
        assert json.loads(seen.stdout)["experiments"]
        assert f"{HUGE} says 3 again" in seen.stderr
        assert values(tree) == AFTER
        assert files() == []

    def test_a_real_setting_after_a_kill(self, tmp_path: Path) -> None:
        before = DEFRAG.read_text() if DEFRAG.exists() else ""
        if os.geteuid() or "[never]" in before or not before:
            pytest.skip("needs root and transparent huge pages that are defragmented")
        code = (
            "import time\nfrom lab.hardware.settings import changed\n"
            f"with changed({{'{DEFRAG}': 'never'}}):\n    print('changed', flush=True)\n"
            "    time.sleep(60)\n"
        )
        process = subprocess.Popen(
            python("-c", code),
            env=os.environ | {"XDG_STATE_HOME": str(tmp_path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout is not None
            answer = process.stdout.readline()
            if answer != "changed\n":
                pytest.skip("this kernel refuses: " + process.communicate()[1].splitlines()[-1])
            assert "[never]" in DEFRAG.read_text()
            process.kill()
            finish(process)
            assert until(lambda: DEFRAG.read_text() == before)
        finally:
            process.kill()
            if DEFRAG.read_text() != before:
                DEFRAG.write_text(before.split("[")[1].split("]")[0])


class TestWrittenDown:
    def test_before_it_is_made(self, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Each write finds the whole ledger on the disk, with what was there before."""
        seen, write = [], settings._write

        def look_first(tree, file, value, now):
            (name,) = files()
            content = json.loads((ledger.state_folder() / name).read_text())
            seen.append([(change["file"], change["before"]) for change in content["changes"]])
            write(tree, file, value, now)

        monkeypatch.setattr(settings, "_write", look_first)
        with changed({HUGE: 7, THP: "never"}, root=tree) as changes:
            assert [change.after for change in changes] == ["7", "never"]
        expected = [(HUGE, "3"), (THP, "madvise")]
        assert seen[:2] == [expected, expected]

    def test_where_only_its_owner_can_write(self, tree: Path) -> None:
        with changed({HUGE: 7}, root=tree):
            folder = ledger.state_folder()
            assert folder.stat().st_mode & 0o777 == 0o700
            assert (folder / files()[0]).stat().st_mode & 0o777 == 0o600

    def test_nothing_is_changed_where_it_cannot_be(
        self, tree: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("XDG_STATE_HOME", "/proc/nowhere")
        with pytest.raises(SettingRefused, match="nothing is changed; set XDG_STATE_HOME"):
            keep({HUGE: 7}, root=tree)
        assert values(tree) == BEFORE

    def test_a_folder_of_others_is_refused(self, tree: Path) -> None:
        ledger.state_folder().mkdir(parents=True)
        ledger.state_folder().chmod(0o777)
        with pytest.raises(SettingRefused, match="can be written by others"):
            keep({HUGE: 7}, root=tree)
        assert values(tree) == BEFORE

    @pytest.mark.parametrize(
        "file", ["/etc/passwd", "/sys/../etc/passwd", "proc/sys/vm/swappiness"]
    )
    def test_only_settings_of_the_kernel(self, tree: Path, file: str) -> None:
        with pytest.raises(ValueError, match="is no setting of the kernel"):
            keep({file: 1}, root=tree)

    def test_a_ledger_that_others_could_write_is_not_believed(self, tree: Path) -> None:
        keep({HUGE: 7}, root=tree)
        path = ledger.state_folder() / files()[0]
        path.chmod(0o666)
        assert give_back() == []
        path.chmod(0o600)
        path.write_text(path.read_text().replace(HUGE, "/etc/passwd"))
        assert give_back() == []
        path.write_text(path.read_text().replace("/etc/passwd", HUGE))
        assert [outcome.value for outcome in give_back()] == ["3"]

    def test_a_ledger_of_an_earlier_start_of_the_kernel_is_moot(self, tree: Path) -> None:
        keep({HUGE: 7}, root=tree)
        path = ledger.state_folder() / files()[0]
        path.write_text(path.read_text().replace(ledger.boot_id(), "another"))
        assert give_back() == []
        assert files() == []
        assert values(tree)[0] == "7"


class TestRefused:
    def test_what_was_changed_before_a_refusal_is_given_back(self, tree: Path) -> None:
        # A file that takes everything and does nothing, as some settings do.
        void = tree / "proc/sys/vm/void"
        void.symlink_to("/dev/null")
        with (
            pytest.raises(SettingRefused, match="took 5 and says : the kernel did not do it"),
            changed({HUGE: 7, "/proc/sys/vm/void": 5}, root=tree),
        ):
            raise AssertionError("not reached")
        assert values(tree)[0] == "3"
        assert files() == []

    def test_half_of_what_was_asked_for_is_given_back_too(
        self, tree: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A kernel that gives fewer huge pages than were asked for."""
        write = settings._write

        def halve(tree, file, value, now):
            write(tree, file, str(int(value) // 2) if int(value) > 3 else value, now)

        monkeypatch.setattr(settings, "_write", halve)
        with pytest.raises(SettingRefused, match="took 80 and says 40"):
            keep({HUGE: 80}, root=tree)
        assert values(tree)[0] == "3"
        with changed({HUGE: 80}, root=tree, exact=False) as changes:
            assert changes[0].after == "40"
        assert values(tree)[0] == "3"
        assert files() == []

    def test_less_is_taken_where_that_was_said(self, tree: Path) -> None:
        void = tree / "proc/sys/vm/void"
        void.symlink_to("/dev/null")
        with changed({"/proc/sys/vm/void": 5}, root=tree, exact=False) as changes:
            assert changes[0].after == ""

    def test_a_file_that_is_not_there(self, tree: Path) -> None:
        with pytest.raises(SettingRefused, match="smt/control is not there"):
            keep({"/sys/devices/system/cpu/smt/control": "off"}, root=tree)
        assert files() == []

    def test_by_this_kernel(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A setting that nobody may write, asked of the kernel that runs."""
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
        name = "/proc/sys/kernel/ostype"
        if not Path(name).exists():
            pytest.skip(f"{name} is not shown here")
        with pytest.raises(SettingRefused, match="cannot be set to Other, it stays Linux"):
            keep({name: "Other"})
        assert files() == []


class TestTwoLabs:
    def test_another_value_is_refused_with_who_holds_it(self, tree: Path) -> None:
        process = start(tree, "waiting")
        with pytest.raises(SettingRefused, match=f"was set to 7 by process {process.pid} "):
            keep({HUGE: 9}, root=tree)
        assert values(tree)[0] == "7"
        process.terminate()
        finish(process)
        assert values(tree) == AFTER

    def test_the_last_of_two_gives_back_what_was_there_first(self, tree: Path) -> None:
        process = start(tree, "waiting")
        with changed({HUGE: 7}, root=tree) as changes:
            assert changes[0].before == "3"
            process.kill()
            finish(process)
            assert until(lambda: len(files()) == 1)
            assert values(tree) == ("7", "madvise")
        assert values(tree) == AFTER

    def test_a_part_that_the_second_got_is_taken_back_to_what_the_first_has(
        self, tree: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Where memory is scarce, the kernel gives one 40 huge pages of 80, and another 60."""
        write, gives = settings._write, iter(["40", "60"])

        def give_less(tree, file, value, now):
            write(tree, file, next(gives) if value == "80" else value, now)

        monkeypatch.setattr(settings, "_write", give_less)
        with changed({HUGE: 80}, root=tree, exact=False):
            with pytest.raises(SettingRefused, match="took 80 and says 60"):
                keep({HUGE: 80}, root=tree)
            assert values(tree)[0] == "40"
            assert len(files()) == 1
        assert values(tree)[0] == "3"
        assert files() == []

    def test_what_somebody_else_changed_is_left_and_said(self, tree: Path) -> None:
        keep({HUGE: 7}, root=tree)
        (tree / HUGE.lstrip("/")).write_text("12\n")
        (outcome,) = give_back()
        assert outcome.value == "12"
        assert "somebody else changed it" in outcome.problem
        assert f"echo 3 | sudo tee {HUGE}" in outcome.problem
        assert files() == []

    def test_who_holds_what_is_told(self, tree: Path) -> None:
        with changed({HUGE: 7}, root=tree):
            (held,) = holders()
            assert held.holder().startswith(f"process {os.getpid()} (")
            assert give_back() == []  # it runs: nobody else gives back

    def test_a_number_that_another_process_has_by_now_is_not_the_owner(self, tree: Path) -> None:
        with changed({HUGE: 7}, root=tree):
            (held,) = holders()
            assert held.owner is not None
            later = ledger.Owner(held.owner.pid, (held.owner.started or 0) - 1, "earlier")
            assert not later.is_alive()


class TestKept:
    def lab(self, *words: str) -> tuple[int, dict, str]:
        """Run a command that prints JSON."""
        seen = subprocess.run(
            python("-m", "lab", *words, "--json"), capture_output=True, text=True, timeout=60
        )
        return seen.returncode, json.loads(seen.stdout or "{}"), seen.stderr

    def test_fix_and_undo(self, tree: Path) -> None:
        (tree / THP.lstrip("/")).write_text("[always] madvise never\n")
        code, said, _ = self.lab("probe", "--root", str(tree), "--fix", "transparent huge pages")
        assert code == 0
        (change,) = said["changed"]
        assert (change["file"], change["before"], change["after"]) == (THP, "always", "madvise")
        assert values(tree)[1] == "madvise"
        code, said, _ = self.lab("probe", "--undo")
        assert (code, [row["value"] for row in said["given_back"]]) == (0, ["always"])
        assert values(tree)[1] == "always"
        assert self.lab("probe", "--undo")[1] == {"given_back": [], "left": [], "held": []}

    def test_who_is_not_root_is_told_who_can_give_back(
        self, tree: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
        assert "sudo lab probe --undo gives back" in undone_text(undo())
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        assert undone_text(undo()) == "nothing that this user changed is left"

    def test_what_others_would_feel_is_changed_by_its_name_only(self, tree: Path) -> None:
        write_feelings(tree)
        outcome = mend(["all"], str(tree))
        assert {row["title"] for row in outcome["unnamed"]} == {"hardware threads", "clock"}
        assert "transparent huge pages" in {row["title"] for row in outcome["changed"]}
        assert [(tree / name.lstrip("/")).read_text() for name in (SMT, CLOCK)] == [
            "on\n",
            "hpet\n",
        ]
        said = mended_text(outcome)
        assert "unnamed  hardware threads: not with all" in said
        assert '--fix "hardware threads" does it' in said
        assert outcome["beware"] == []

        outcome = mend(["all", "hardware threads"], str(tree))
        assert [row["file"] for row in outcome["changed"]] == [SMT]
        assert (tree / SMT.lstrip("/")).read_text() == "off"
        (beware,) = outcome["beware"]
        for words in ("cpusets of control groups (version 1)", "affinities", "every sibling"):
            assert words in beware["reason"]
        assert beware["reason"] in mended_text(outcome)
        assert [row["title"] for row in mend(["clock"], str(tree))["changed"]] == ["clock"]
        assert undo()["left"] == []
        assert [(tree / name.lstrip("/")).read_text() for name in (SMT, CLOCK)] == ["on", "hpet"]

    @pytest.mark.parametrize(
        ("user", "by_sudo", "command"),
        [
            (0, True, "sudo lab probe --undo"),
            (0, False, "lab probe --undo"),
            (1000, False, "lab probe --undo"),
        ],
    )
    def test_the_last_line_puts_it_back(
        self, tree: Path, monkeypatch: pytest.MonkeyPatch, user: int, by_sudo: bool, command: str
    ) -> None:
        (tree / THP.lstrip("/")).write_text("[always] madvise never\n")
        outcome = mend(["transparent huge pages"], str(tree))
        monkeypatch.setattr(os, "geteuid", lambda: user)
        monkeypatch.delenv("SUDO_UID", raising=False)
        if by_sudo:
            monkeypatch.setenv("SUDO_UID", "1000")
        assert mended_text(outcome).splitlines()[-1] == f"to put it back: {command}"

    def test_a_title_that_there_is_not(self, tree: Path) -> None:
        code, _, said = self.lab("probe", "--root", str(tree), "--fix", "transparent hugepages")
        assert code == 2
        assert "did you mean transparent huge pages?" in said

    def test_what_cannot_be_changed_from_here_is_said_with_the_command(self, tree: Path) -> None:
        code, said, _ = self.lab("probe", "--root", str(tree), "--fix", "isolated CPUs")
        assert code == 1
        assert said["changed"] == []
        assert said["refused"][0]["title"] == "isolated CPUs"


def test_the_guard_is_small(tree: Path) -> None:
    """It lives beside what is measured: it may load neither numpy nor numba."""
    code = "import sys, lab.hardware.guard; print(sorted({'numpy', 'numba'} & set(sys.modules)))"
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert seen.stdout.strip() == "[]"
