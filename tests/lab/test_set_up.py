"""Set-up: the lock, the light door, and JupyterLab with our settings and not the person's."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numba.core.caching
import pytest

from engines.errors import InputError
from lab.experiments import EXPERIMENTS
from lab.jupyter import launch
from lab.warm import drop_old_code, drop_stale_code

ROOT = Path(__file__).resolve().parents[2]
LOCK = (ROOT / "requirements.lock").read_text()
SCHEMAS = Path(sys.prefix) / "share" / "jupyter" / "lab" / "schemas"


def locked_packages() -> list[str]:
    """Each entry of the lock, its hashes on the same line."""
    joined = LOCK.replace("\\\n", " ")
    return [line for line in joined.splitlines() if re.match(r"[A-Za-z0-9]", line)]


def test_lock_pins_and_hashes_every_package() -> None:
    packages = locked_packages()
    assert len(packages) > 100
    unpinned = [line for line in packages if not re.match(r"[\w.-]+==\S+ ", line)]
    assert unpinned == []
    assert [line for line in packages if "--hash=sha256:" not in line] == []


def test_lock_names_no_place() -> None:
    """An index, a link or a path would be one machine's."""
    instructions = re.sub(r"#.*", "", LOCK)
    assert not re.search(r"://|@|^\s*(-i|-f|-e|--index|--extra|--find)|/", instructions, re.M)


def test_lock_holds_what_builds_the_project() -> None:
    """All but a C++ compiler, so that a set-up needs no other tool of the machine."""
    locked = {line.partition("==")[0] for line in locked_packages()}
    assert locked >= {"scikit-build-core", "nanobind", "cmake", "ninja"}


@pytest.mark.parametrize(
    "code",
    [
        "import lab",
        "from lab.cli import main; main(['--help'], standalone_mode=False)",
        "from lab.cli import main; main(['list'], standalone_mode=False)",
        "from lab.cli import main; main(['open', '--help'], standalone_mode=False)",
    ],
)
def test_the_door_is_light(code: str) -> None:
    """Importing numba or matplotlib takes 0.3 to 0.9 s; no help text waits for that."""
    heavy = "sorted({'numba', 'llvmlite', 'matplotlib', 'jupyterlab'} & set(sys.modules))"
    seen = subprocess.run(
        [sys.executable, "-c", f"import sys; {code}; print('loaded:', {heavy})"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert seen.stdout.splitlines()[-1] == "loaded: []"


def test_module_and_script_are_the_same_command() -> None:
    commands = [[sys.executable, "-m", "lab"], [str(Path(sys.executable).parent / "lab")]]
    texts = [
        subprocess.run([*command, "--help"], capture_output=True, text=True, check=True).stdout
        for command in commands
    ]
    module, script = (text.partition("Options:")[2] for text in texts)
    assert module
    assert module == script


class TestEnvironment:
    """What JupyterLab is told through its environment."""

    inherited = {
        "HOME": "/home/ann",
        "PATH": "/home/ann/bin:/usr/bin",
        "JUPYTER_CONFIG_PATH": "/etc/ann",
        "JUPYTER_CONFIG_DIR": "/home/ann/.jupyter",
        "JUPYTER_PATH": "/home/ann/kernels",
        "JUPYTER_TOKEN": "known",
        "JUPYTERLAB_DIR": "/home/ann/lab",
        "IPYTHONDIR": "/home/ann/.ipython",
    }
    actual = launch.environment(inherited, "/checkout/.jupyter")

    def test_our_settings_come_first(self) -> None:
        assert self.actual["JUPYTER_CONFIG_PATH"] == f"{ROOT / 'lab' / 'jupyter'}:/etc/ann"

    def test_the_environment_comes_first_on_path(self) -> None:
        first, rest = self.actual["PATH"].split(os.pathsep, 1)
        assert Path(first).samefile(Path(sys.executable).parent)
        assert rest == "/home/ann/bin:/usr/bin"

    def test_no_jupyter_folder_of_the_person_is_left(self) -> None:
        changed = {name: text for name, text in self.actual.items() if "/home/ann" in text}
        assert set(changed) == {"HOME", "PATH"}

    def test_a_known_token_is_not_taken_over(self) -> None:
        assert "known" not in self.actual.values()

    def test_the_callers_environment_is_not_changed(self) -> None:
        assert self.inherited["IPYTHONDIR"] == "/home/ann/.ipython"

    def test_jupyter_itself_reads_and_writes_only_there(self, tmp_path: Path) -> None:
        """Asked of jupyter_core in the process that would become JupyterLab."""
        home = tmp_path / "home"
        state = tmp_path / "state"
        home.mkdir()
        state.mkdir()
        environment = launch.environment({"HOME": str(home)}, state)
        code = (
            "import json, jupyter_core.paths as p; from jupyter_client.kernelspec import "
            "KernelSpecManager as K; from IPython.paths import get_ipython_dir as i;"
            "written = [p.jupyter_config_dir(), p.jupyter_data_dir(), i()];"
            "written.append(p.jupyter_runtime_dir());"
            "print(json.dumps({'config': p.jupyter_config_path(), 'written': written,"
            "'kernel': K().get_kernel_spec('python3').resource_dir}))"
        )
        seen = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        paths = json.loads(seen.stdout)
        assert paths["config"][0] == str(launch.SETTINGS_FOLDER)
        assert all(Path(path).is_relative_to(state) for path in paths["written"])
        assert str(home) not in seen.stdout
        assert Path(paths["kernel"]).is_relative_to(sys.prefix)


def test_each_override_is_a_setting_of_this_jupyterlab() -> None:
    """JupyterLab ignores an unknown plug-in or setting without a word."""
    overrides = json.loads(
        (launch.SETTINGS_FOLDER / "labconfig" / "default_setting_overrides.json").read_text()
    )
    assert overrides["@jupyterlab/apputils-extension:kernels-settings"] == {
        "commsOverSubshells": "disabled"
    }
    for plugin, settings in overrides.items():
        package, name = plugin.split(":")
        schema = json.loads((SCHEMAS / package / f"{name}.json").read_text())
        for setting, value in settings.items():
            allowed = schema["properties"][setting]
            if "oneOf" in allowed:
                assert value in [choice["const"] for choice in allowed["oneOf"]]
            assert type(value) is type(allowed["default"])


class TestArguments:
    """The command that becomes JupyterLab."""

    def test_it_is_the_environments_own_and_local(self) -> None:
        command = launch.arguments(launch.START_NOTEBOOK, port=9000, browser=False)
        assert command[:3] == [sys.executable, "-m", "jupyterlab"]
        assert {"--ServerApp.ip=127.0.0.1", "--ServerApp.port=9000", "--no-browser"} <= set(command)
        assert "--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb" in command
        assert not any("token" in part.lower() for part in command)  # `ps` shows it to all users

    def test_a_text_browser_is_no_browser(self) -> None:
        assert not launch.has_browser({"PATH": "/usr/bin"}, "linux")
        assert launch.has_browser({"DISPLAY": ":0"}, "linux")
        assert launch.has_browser({}, "darwin")

    def test_a_missing_notebook_is_named(self) -> None:
        with pytest.raises(InputError, match="notebook none.ipynb does not exist"):
            launch.notebook_in_checkout("none.ipynb")

    def test_a_notebook_outside_is_refused(self, tmp_path: Path) -> None:
        notebook = tmp_path / "mine.ipynb"
        notebook.write_text("{}")
        with pytest.raises(InputError, match="lies outside"):
            launch.notebook_in_checkout(notebook)


class TestStaleCode:
    """Numba sees a change in a kernel's own file only, so set-up looks at the others too."""

    @pytest.fixture
    def checkout(self, tmp_path: Path) -> Path:
        """A checkout of two files, the second called by the first's kernel."""
        folder = tmp_path / "checkout" / "lab" / "measure"
        folder.mkdir(parents=True)
        (folder / "kernel.py").write_text("from numba import njit\n")
        (folder / "called.py").write_text("SIZE = 1\n")
        return tmp_path / "checkout"

    def compiled(self, cache: Path, checkout: Path) -> Path:
        """A file where Numba would put the code of the checkout's kernel."""
        locate = numba.core.caching._CacheLocator.get_suitable_cache_subpath
        code = cache / locate(str(checkout / "lab" / "measure" / "kernel.py")) / "kernel.nbi"
        code.parent.mkdir(parents=True)
        code.touch()
        return code

    def test_a_change_in_a_called_file_drops_the_code(self, tmp_path: Path, checkout: Path) -> None:
        cache = tmp_path / "cache"
        drop_stale_code(cache, checkout)
        code = self.compiled(cache, checkout)
        assert not drop_stale_code(cache, checkout)
        assert code.exists()
        (checkout / "lab" / "measure" / "called.py").write_text("SIZE = 2\n")
        assert drop_stale_code(cache, checkout)
        assert not code.exists()

    def test_another_checkouts_code_stays(self, tmp_path: Path, checkout: Path) -> None:
        cache = tmp_path / "cache"
        other = self.compiled(cache, tmp_path / "other")
        assert drop_stale_code(cache, checkout)
        assert other.exists()


def test_kernels_of_sources_long_gone_are_cleared_away(tmp_path: Path) -> None:
    in_use, recent, old = (tmp_path / "kernels" / name for name in ("use", "recent", "old"))
    for folder in (in_use, recent, old):
        folder.mkdir(parents=True)
    for folder in (in_use, old):
        os.utime(folder, (0, 0))
    drop_old_code(in_use)
    assert [folder.exists() for folder in (in_use, recent, old)] == [True, True, False]


def test_a_cache_that_the_person_chose_is_left_alone(tmp_path: Path) -> None:
    chosen, beside = tmp_path / "mine", tmp_path / "beside"
    for folder in (chosen, beside):
        folder.mkdir()
        os.utime(folder, (0, 0))
    drop_old_code(chosen)
    assert beside.exists()


@pytest.mark.soak
def test_after_set_up_no_experiment_compiles(tmp_path: Path) -> None:
    """An empty cache is warmed as set-up does it; then no run may add to it."""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}

    def compiled_after(*command: str) -> set[str]:
        arguments = [sys.executable, "-m", *command]
        seen = subprocess.run(arguments, env=environment, check=True, cwd=ROOT, capture_output=True)
        if "--json" in command:
            Path(json.loads(seen.stdout)["path"]).unlink()  # not a result that anybody asked for
        return {str(path) for path in tmp_path.rglob("*.nbc")}

    warmed = compiled_after("lab.warm")
    assert warmed
    for name in EXPERIMENTS:
        assert compiled_after("lab", "run", name, "--size", "smoke", "--json") == warmed
