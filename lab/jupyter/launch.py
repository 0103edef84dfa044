"""Start JupyterLab on this checkout: our settings, our folders, the environment's own Python.

Not for measuring: a panel starts its measured process itself. The process becomes JupyterLab, so
Ctrl-C, signals and the exit code are JupyterLab's own.
"""

from __future__ import annotations

import os
import shlex
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from engines.errors import InputError

CHECKOUT = Path(__file__).resolve().parents[2]
SETTINGS_FOLDER = Path(__file__).resolve().parent
STATE_FOLDER = CHECKOUT / ".jupyter"
START_NOTEBOOK = Path("notebooks/00_start_here.ipynb")
PORT = 8888


def environment(
    inherited: Mapping[str, str], state_folder: str | Path = STATE_FOLDER
) -> dict[str, str]:
    """Return the environment in which JupyterLab runs.

    Parameters
    ----------
    inherited
        The caller's environment; it is not changed.
    state_folder
        Where JupyterLab may write: workspaces, settings, tokens, history.

    Returns
    -------
    dict of str to str
        ``inherited`` without its Jupyter variables, except that its ``JUPYTER_CONFIG_PATH``
        stays, behind our settings.
    """
    state = Path(state_folder)
    # A token, a port or a kernel folder of the person's would win over what we ask for, and a
    # token that is given to it is one that JupyterLab does not print.
    kept = {name: text for name, text in inherited.items() if not name.startswith("JUPYTER")}
    config_path = [str(SETTINGS_FOLDER), inherited.get("JUPYTER_CONFIG_PATH", "")]
    search_path = [sysconfig.get_path("scripts"), inherited.get("PATH", os.defpath)]
    return kept | {
        "PATH": os.pathsep.join(search_path),
        "VIRTUAL_ENV": sys.prefix,
        "JUPYTER_CONFIG_PATH": os.pathsep.join(filter(None, config_path)),
        "JUPYTER_CONFIG_DIR": str(state / "config"),
        "JUPYTER_DATA_DIR": str(state / "share"),
        "JUPYTER_RUNTIME_DIR": str(state / "runtime"),
        # A kernel named python3 in a system folder must not stand before the environment's.
        "JUPYTER_PREFER_ENV_PATH": "1",
        "JUPYTERLAB_SETTINGS_DIR": str(state / "config" / "lab" / "user-settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(state / "config" / "lab" / "workspaces"),
        "IPYTHONDIR": str(state / "ipython"),
        # Where HOME is read-only, matplotlib would rebuild its font list in each process.
        "MPLCONFIGDIR": inherited.get("MPLCONFIGDIR", str(state / "matplotlib")),
    }


def has_browser(inherited: Mapping[str, str], platform: str = sys.platform) -> bool:
    """Say whether a graphical browser can be opened from here.

    Python's webbrowser module also takes w3m or lynx, which would cover the terminal.
    """
    if platform == "darwin" or inherited.get("BROWSER"):
        return True
    return bool(inherited.get("DISPLAY") or inherited.get("WAYLAND_DISPLAY"))


def notebook_in_checkout(notebook: str | Path | None) -> Path:
    """Return a notebook's path relative to the checkout.

    Parameters
    ----------
    notebook
        As the person typed it, relative to the working folder; None means the start notebook.

    Raises
    ------
    InputError
        It does not exist, or JupyterLab could not show it because it lies outside the checkout.
    """
    if notebook is None:
        return START_NOTEBOOK
    path = Path(notebook).resolve()
    if not path.is_file():
        raise InputError(f"notebook {notebook} does not exist; `lab open` shows those there are")
    if not path.is_relative_to(CHECKOUT):
        raise InputError(f"notebook {path} lies outside {CHECKOUT}; copy it to notebooks/")
    return path.relative_to(CHECKOUT)


def arguments(
    notebook: Path, port: int = PORT, browser: bool = True, extra: Sequence[str] = ()
) -> list[str]:
    """Return the command that becomes JupyterLab.

    Parameters
    ----------
    notebook
        What it opens, relative to the checkout.
    port
        The first port to try; JupyterLab takes a later one where it is in use.
    browser
        Whether a browser is opened; the address is printed either way.
    extra
        Further arguments, as a test needs them.
    """
    # Given a shell of its own, Lab starts no login shell, whose profile would reset PATH.
    shell = os.environ.get("SHELL") or "/bin/sh"
    command = [
        *(sys.executable, "-m", "jupyterlab"),
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={port}",
        f"--ServerApp.root_dir={CHECKOUT}",
        f"--LabApp.default_url=/lab/tree/{notebook.as_posix()}",
        f"--ServerApp.terminado_settings=shell_command={shlex.quote(shell)}",
        # No pings: with its own settings each notebook warns that the timeout is longer than the
        # interval, and a timeout as long as the interval drops each kernel's connection at the
        # first ping, every 30 s. On one machine a connection needs none to live.
        '--ServerApp.tornado_settings={"ws_ping_interval": 0}',
        # Ctrl-C ends it at once; without this it asks, waits five seconds and carries on.
        "--ServerApp.answer_yes=True",
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.extension_manager=readonly",
        "--KernelManager.transport_encryption=auto",
        "--Application.log_level=WARN",
    ]
    if not browser:
        command.append("--no-browser")
    if os.geteuid() == 0:
        command.append("--allow-root")
    return [*command, *extra]


def open_lab(
    notebook: str | Path | None = None, port: int = PORT, browser: bool = True
) -> NoReturn:
    """Become JupyterLab, with a notebook open.

    Parameters
    ----------
    notebook
        A notebook in the checkout; the start notebook when None.
    port
        The first port to try.
    browser
        Whether to open a browser where there is one.

    Raises
    ------
    InputError
        There is no such notebook in the checkout.
    """
    command = arguments(notebook_in_checkout(notebook), port, browser and has_browser(os.environ))
    STATE_FOLDER.mkdir(exist_ok=True)
    print("starting JupyterLab; Ctrl-C here ends it", flush=True)
    os.execve(command[0], command, environment(os.environ))
