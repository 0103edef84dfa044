"""The lab where it has less than it likes: another user, one CPU, 512 MiB, no /sys, no /proc.

Each surrounding is made here, by means that take rights, so a test skips with the reason where they
lack. In each, ``lab probe`` runs and says what it does not see, and an experiment that feels it is
measured right. Every experiment in every surrounding is behind ``-m soak``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path

import pytest

from engines.matching import IMPLEMENTATIONS
from lab.experiments import EXPERIMENTS

ROOT = Path(__file__).resolve().parents[2]
GROUPS = Path("/sys/fs/cgroup")
NOBODY = 65534
LIMIT_BYTES = 512 << 20
IS_ROOT = os.geteuid() == 0
Prefix = list[str]


@contextmanager
def ordinary_user(place: Path) -> Iterator[Prefix]:
    """Nobody, with folders of their own in ``place``; who is no root already stays who they are."""
    if not IS_ROOT:
        yield []
        return
    need("setpriv")
    for path in (place, *place.rglob("*")):
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    yield ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--inh-caps=-all"]


@contextmanager
def as_it_is(place: Path) -> Iterator[Prefix]:
    """Whoever runs the tests: root, where they are root's."""
    if not IS_ROOT:
        pytest.skip("needs root: this is what root sees")
    yield []


@contextmanager
def one_cpu(place: Path) -> Iterator[Prefix]:
    """A container that may use the first CPU; without rights, an affinity for that CPU.

    The last is where everything that measures goes, other tests among them.
    """
    cpu = min(os.sched_getaffinity(0))
    if IS_ROOT and (GROUPS / "cpuset" / "cpuset.mems").exists():
        nodes = (GROUPS / "cpuset" / "cpuset.mems").read_text().strip() or "0"
        with group("cpuset", {"cpuset.cpus": cpu, "cpuset.mems": nodes}) as prefix:
            yield prefix
    else:
        need("taskset")
        yield ["taskset", "-c", str(cpu)]


@contextmanager
def half_a_cpu(place: Path) -> Iterator[Prefix]:
    """A container with a quota: 50 ms of 100."""
    if (GROUPS / "cpu" / "cpu.cfs_quota_us").exists():
        words = {"cpu.cfs_period_us": 100_000, "cpu.cfs_quota_us": 50_000}
    else:
        words = {"cpu.max": "50000 100000"}
    with group("cpu", words) as prefix:
        yield prefix


@contextmanager
def little_memory(place: Path) -> Iterator[Prefix]:
    """A container with 512 MiB."""
    is_old = (GROUPS / "memory" / "memory.limit_in_bytes").exists()
    name = "memory.limit_in_bytes" if is_old else "memory.max"
    with group("memory", {name: LIMIT_BYTES}) as prefix:
        yield prefix


@contextmanager
def group(controller: str, settings: dict[str, object]) -> Iterator[Prefix]:
    """A control group of our own, of either version; processes enter it by what is yielded."""
    if not IS_ROOT:
        pytest.skip("needs root: a control group is made")
    parent = GROUPS / controller
    if not parent.is_dir():
        parent = GROUPS
        offered = GROUPS / "cgroup.subtree_control"
        if not offered.exists() or controller not in offered.read_text().split():
            pytest.skip(f"this kernel or container offers no control group of {controller}")
    folder = parent / f"exchange_lab_{os.getpid()}_{controller}"
    try:
        folder.mkdir()
        for name, value in settings.items():
            (folder / name).write_text(str(value))
    except OSError as error:
        if folder.is_dir():
            folder.rmdir()
        pytest.skip(f"{folder} cannot be made: {error.strerror}")
    try:
        yield ["sh", "-c", f'echo $$ > {folder}/cgroup.procs && exec "$0" "$@"']
    finally:
        end = time.monotonic() + 10
        while True:  # a group goes when its last process has gone
            try:
                folder.rmdir()
                break
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)


def hidden_folder(folder: str) -> Callable[[Path], object]:
    """A surrounding in which one folder of the kernel's is empty."""

    @contextmanager
    def surrounding(place: Path) -> Iterator[Prefix]:
        need("unshare")
        words = ["unshare", "-m"] if IS_ROOT else ["unshare", "-r", "-m"]
        hide = f'mount -t tmpfs none {folder} && exec "$0" "$@"'
        tried = subprocess.run([*words, "sh", "-c", hide, "true"], capture_output=True, text=True)
        if tried.returncode:
            pytest.skip(f"{folder} cannot be hidden here: {tried.stderr.strip()}")
        yield [*words, "sh", "-c", hide]

    return surrounding


@contextmanager
def nothing_locked(place: Path) -> Iterator[Prefix]:
    """An ordinary user who may lock no memory at all."""
    need("prlimit")
    with ordinary_user(place) as prefix:
        yield ["prlimit", "--memlock=0:0", *prefix]


def need(program: str) -> None:
    """Skip without a program."""
    if shutil.which(program) is None:
        pytest.skip(f"needs {program}")


SURROUNDINGS = {
    "root": as_it_is,
    "ordinary user": ordinary_user,
    "nothing locked": nothing_locked,
    "one CPU": one_cpu,
    "half a CPU": half_a_cpu,
    "512 MiB": little_memory,
    "no /sys": hidden_folder("/sys"),
    "no /proc": hidden_folder("/proc"),
}

# What has to be true in a surrounding, or it would be none.
IS_SO = {
    "root": "os.geteuid() == 0",
    "ordinary user": "os.geteuid() != 0",
    "nothing locked": "os.geteuid() != 0 and resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] == 0",
    "one CPU": "len(os.sched_getaffinity(0)) == 1",
    "no /sys": "os.listdir('/sys') == []",
    "no /proc": "os.listdir('/proc') == []",
}
# An experiment that feels its surrounding; and what the probe says of it there.
FEELS = {
    "ordinary user": "page_cost",
    "one CPU": "core_to_core",
    "512 MiB": "memory_latency",
    "no /sys": "numa_matrix",
    "no /proc": "jitter",
}
SAYS = {
    "nothing locked": ("lockable memory", "warning", "0 MiB (ulimit -l)"),
    "one CPU": ("CPUs", "bad", "this process may use"),
    "half a CPU": ("CPU quota", "bad", "0.5 CPUs"),
    "512 MiB": ("memory", "warning", "limited to 0.5 GiB by the control group"),
    "no /sys": ("isolated CPUs", "unknown", "is not shown"),
    "no /proc": ("load", "unknown", "/proc/loadavg is not shown"),
}
# A recorded day, other people's packages: what does not come with the project.
WANT_MORE = ("replay", "matching_rivals")


class Surrounded:
    """The command ``lab`` in a surrounding, with kernels that are compiled already."""

    def __init__(self, name: str, place: Path, stack: ExitStack) -> None:
        self.name, self.place = name, place
        place.chmod(0o755)
        is_other = SURROUNDINGS[name] in (ordinary_user, nothing_locked)
        kernels = Path(os.environ["NUMBA_CACHE_DIR"])
        cache = place / "cache" / "kernels"
        cache.parent.mkdir()
        for ours, theirs in (
            (kernels, cache),
            (kernels.parent / "answers", place / "cache/answers"),
        ):
            if is_other and ours.is_dir():
                shutil.copytree(ours, theirs)
            elif ours.is_dir():
                theirs.symlink_to(ours)
        (place / "results").mkdir()
        self.python = readable_python(place) if is_other else sys.executable
        self.prefix: Prefix = stack.enter_context(SURROUNDINGS[name](place))
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(place),
            "XDG_CACHE_HOME": str(place / "cache"),
            "XDG_STATE_HOME": str(place / "state"),
            "NUMBA_CACHE_DIR": str(cache),
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self.look()

    def look(self) -> None:
        """Skip where the project itself cannot be read in this surrounding."""
        seen = self.run("-c", "import lab, engines.messages")
        if seen.returncode:
            last = (seen.stderr.strip() or "no word").splitlines()[-1]
            pytest.skip(f"the project cannot be read here: {last}")

    def run(self, *words: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """Run Python there."""
        return subprocess.run(
            [*self.prefix, self.python, "-P", *words],
            cwd=self.place,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    def lab(self, *words: str) -> dict:
        """Run a ``lab`` command there, which has to succeed; return its JSON."""
        seen = self.run("-m", "lab", *words, "--json")
        assert seen.returncode == 0, f"{words}: {seen.returncode}\n{seen.stderr[-2000:]}"
        assert "Traceback" not in seen.stderr
        return json.loads(seen.stdout)

    @cached_property
    def probed(self) -> dict:
        """What ``lab probe`` finds there."""
        return self.lab("probe")

    def measure(self, name: str) -> dict:
        """Run an experiment there in its smoke size; return the result that it saved."""
        folder = self.place / "results"
        self.lab("run", name, "--size", "smoke", "--folder", str(folder))
        (path,) = folder.glob(f"*_{name}_*.json")
        return json.loads(path.read_text())


def readable_python(place: Path) -> str:
    """A Python that another user may run: ours, or one of the system with our packages."""
    real = Path(os.path.realpath(sys.executable))
    if not IS_ROOT or all(path.stat().st_mode & 0o005 == 0o005 for path in real.parents):
        return sys.executable
    other = Path(f"/usr/bin/python3.{sys.version_info.minor}")
    if not other.exists():
        pytest.skip(f"{real} can be read by root only, and there is no {other}")
    home = place / "python"
    packages = home / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
    (home / "bin").mkdir(parents=True)
    packages.parent.mkdir(parents=True)
    (home / "bin" / "python").symlink_to(other)
    packages.symlink_to(next(path for path in sys.path if path.endswith("site-packages")))
    (home / "pyvenv.cfg").write_text(f"home = {other.parent}\n")
    return str(home / "bin" / "python")


@pytest.fixture(scope="module", params=SURROUNDINGS)
def surrounded(request: pytest.FixtureRequest) -> Iterator[Surrounded]:
    place = Path(tempfile.mkdtemp(prefix="exchange_lab_"))
    try:
        with ExitStack() as stack:
            yield Surrounded(request.param, place, stack)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def test_the_probe_says_what_it_does_not_see(surrounded: Surrounded) -> None:
    truth = f"import os, resource; print({IS_SO.get(surrounded.name, True)})"
    assert surrounded.run("-c", truth).stdout == "True\n"
    seen = surrounded.probed
    findings = {finding["title"]: finding for finding in seen["doctor"]}
    assert seen["pus"] >= 1
    if surrounded.name in SAYS:
        title, severity, words = SAYS[surrounded.name]
        assert findings[title]["severity"] == severity, findings[title]
        assert words in findings[title]["evidence"]
    if surrounded.name == "no /sys":
        assert "are assumed" in seen["notes"][0]


def test_an_experiment_that_feels_it_runs(surrounded: Surrounded) -> None:
    if surrounded.name not in FEELS:
        pytest.skip("behind -m soak, with every other experiment")
    check(surrounded.measure(FEELS[surrounded.name]))


def test_what_may_not_be_changed_is_said_with_the_command(surrounded: Surrounded) -> None:
    if surrounded.name != "ordinary user":
        pytest.skip("of the ordinary user")
    fixable = surrounded.probed["fixable"]
    if not fixable:
        pytest.skip("the doctor would change nothing on this machine")
    seen = surrounded.run("-m", "lab", "probe", "--fix", fixable[0], "--json")
    outcome = json.loads(seen.stdout)
    assert (seen.returncode, outcome["changed"]) == (1, [])
    assert "as root: echo " in outcome["refused"][0]["reason"]
    assert list((surrounded.place / "state").rglob("*.json")) == []


def check(result: dict) -> None:
    """What was measured is right; where nothing was, a note says why."""
    assert all(measured["digest_ok"] for measured in result["measurements"])
    assert result["measurements"] or result["notes"] or result["verdict"]["finding"]


@pytest.mark.soak
@pytest.mark.parametrize("name", [name for name in EXPERIMENTS if name not in WANT_MORE])
def test_every_experiment_runs(surrounded: Surrounded, name: str) -> None:
    check(surrounded.measure(name))


@pytest.mark.soak
def test_every_engine_is_there_or_said_to_be_missing(surrounded: Surrounded) -> None:
    engines = {entry["name"]: entry for entry in surrounded.lab("list")["engines"]}
    assert set(engines) == set(IMPLEMENTATIONS)
