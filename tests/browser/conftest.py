"""A real JupyterLab, opened by ``lab open``, with Debian's Chromium in front of it.

The browser works on a copy of the checkout, so that no test changes a committed notebook or leaves
results among a person's own. The copy keeps its place from one run to the next, because compiled
kernels are cached by the place of their source.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, WebSocket, sync_playwright

CHECKOUT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
PARTS = ("engines", "lab", "notebooks", "data", "pyproject.toml")
LAPTOP = {"width": 1366, "height": 768}

# What the console may say, as regular expressions, each with why it is no fault of ours. So far it
# has no need to say anything.
ALLOWED_CONSOLE: tuple[str, ...] = ()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each test of this folder its marker."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@dataclass
class Session:
    """What a browser session did that a person does not see."""

    requests: list[str] = field(default_factory=list)
    console: list[str] = field(default_factory=list)

    def watch(self, context: BrowserContext) -> None:
        """Write down every request and every console message of a browser context."""
        context.on("request", lambda request: self.requests.append(request.url))
        context.on("console", lambda message: self._heard(message.type, message.text))
        context.on("page", lambda page: page.on("websocket", self._connected))
        context.on("weberror", lambda error: self._heard("exception", str(error.error)))

    def _connected(self, socket: WebSocket) -> None:
        self.requests.append(socket.url)

    def _heard(self, kind: str, text: str) -> None:
        if kind in ("error", "warning", "exception"):
            self.console.append(f"{time.strftime('%H:%M:%S')} {kind}: {text}")

    def outside(self) -> list[str]:
        """Return the requests that left this machine."""
        local = re.compile(r"(https?|wss?)://127\.0\.0\.1[:/]|data:|blob:|file:|about:")
        return [url for url in self.requests if not local.match(url)]

    def complaints(self) -> list[str]:
        """Return the console messages that are not on the list."""
        return [
            text
            for text in self.console
            if not any(re.search(allowed, text) for allowed in ALLOWED_CONSOLE)
        ]


@dataclass
class Lab:
    """A running JupyterLab."""

    process: subprocess.Popen[str]
    address: str
    checkout: Path

    def measured(self) -> list[psutil.Process]:
        """Return the processes of a run: all that a kernel started."""
        found = []
        for process in psutil.Process(self.process.pid).children(recursive=True):
            try:
                words = process.cmdline()
            except psutil.Error:
                continue
            if words and "ipykernel_launcher" not in words and process.status() != "zombie":
                found.append(process)
        return found


@pytest.fixture(scope="session")
def checkout(pytestconfig: pytest.Config) -> Path:
    """A copy of the checkout whose ``.venv`` has the same packages, and the copy's own code."""
    copy = pytestconfig.cache.mkdir("browser-checkout")
    for part in PARTS:
        source, target = CHECKOUT / part, copy / part
        if source.is_dir():
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(source, target, ignore=_left_out)
        else:
            shutil.copy2(source, target)
    shutil.rmtree(copy / ".jupyter", ignore_errors=True)
    _make_environment(copy)
    subprocess.run([copy / ".venv/bin/python", "-m", "lab.warm"], cwd=copy, check=True)
    return copy


def _left_out(folder: str, names: list[str]) -> set[str]:
    """Return what is not copied: what a person made, and what is made anew."""
    made = (
        {"runs", "reports", "trash"} if folder.endswith(os.path.join("data", "results")) else set()
    )
    return {"__pycache__", ".ipynb_checkpoints", *made} & set(names)


def _make_environment(copy: Path) -> None:
    """Make an environment in a second: the packages of this one, but the code of the copy.

    A plain path in a ``.pth`` file does not bring in the ``.pth`` files found there, so the
    editable install of the original stays out.
    """
    ours, theirs = copy / ".venv", Path(sys.prefix)
    subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", ours], check=True)
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    packages = theirs / "lib" / version / "site-packages"
    (ours / "lib" / version / "site-packages" / "copy.pth").write_text(f"{copy}\n{packages}\n")
    for folder in ("share", "etc"):
        if (theirs / folder).is_dir():
            (ours / folder).symlink_to(theirs / folder)
    command = ours / "bin" / "lab"
    command.write_text(f'#!/bin/sh\nexec "{ours}/bin/python" -m lab "$@"\n')
    command.chmod(0o755)


@pytest.fixture(scope="session")
def lab(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab as ``lab open --no-browser`` starts it; at the end Ctrl-C, as a person does."""
    scratch = tmp_path_factory.mktemp("person")
    log = (scratch / "lab.log").open("w+")
    # Only so that the test can ask Lab's own objects whether a kernel is there.
    (scratch / "jupyter_lab_config.json").write_text(
        '{"LabApp": {"expose_app_in_browser": true}}', encoding="utf-8"
    )
    environment = {
        **{name: text for name, text in os.environ.items() if not name.startswith("PYTEST")},
        "JUPYTER_CONFIG_PATH": str(scratch),
        "PYTHONUNBUFFERED": "1",
    }
    process = subprocess.Popen(
        [checkout / ".venv/bin/python", "-m", "lab", "open", "--no-browser", "--port", "9431"],
        cwd=checkout,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield Lab(process, _address_in(Path(log.name), process), checkout)
        process.send_signal(signal.SIGINT)
        assert process.wait(15) in (0, 130, -signal.SIGINT)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        log.close()


def _address_in(log: Path, process: subprocess.Popen[str]) -> str:
    """Return the address that JupyterLab prints, once it does."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        found = re.search(r"http://127\.0\.0\.1:\d+/\S*token=\w+", log.read_text())
        if found:
            return found.group()
        time.sleep(0.1)
    raise AssertionError(f"JupyterLab printed no address:\n{log.read_text()}")


@pytest.fixture
def session() -> Session:
    """What the browser does meanwhile."""
    return Session()


@pytest.fixture
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    if not Path(CHROMIUM).exists():
        pytest.fail("chromium is not installed; run: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking"],
        )
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, session: Session) -> Page:
    """A page on a laptop's screen."""
    context = browser.new_context(viewport=LAPTOP)
    session.watch(context)
    return context.new_page()


@pytest.fixture
def report_page(browser: Browser) -> tuple[Page, Session]:
    """A page of somebody who has only the report, and what it does."""
    context, asked = browser.new_context(viewport=LAPTOP), Session()
    asked.watch(context)
    return context.new_page(), asked


_KERNEL_IS_IDLE = """() => {
    const context = window.jupyterapp?.shell.currentWidget?.context?.sessionContext;
    const kernel = context?.session?.kernel;
    return Boolean(context?.isReady && kernel?.connectionStatus === "connected"
        && kernel.status === "idle");
}"""
_COUNTS = """() => [...window.jupyterapp.shell.currentWidget.content.model.cells]
    .filter((cell) => cell.type === "code").map((cell) => cell.executionCount)"""
_ANSWER = """async (code) => {
    const context = window.jupyterapp.shell.currentWidget.context.sessionContext;
    const request = context.session.kernel.requestExecute({code, store_history: false});
    let answer = null;
    request.onIOPub = (message) => {
        if (message.header.msg_type === "execute_result")
            answer = message.content.data["text/plain"];
    };
    await request.done;
    return answer;
}"""


@dataclass
class Notebook:
    """A notebook in the browser, used as a person uses it."""

    page: Page
    lab: Lab
    screenshots: Path

    def open(self, path: str | None = None) -> None:
        """Open the address that Lab printed, or another notebook of the checkout."""
        start, token = self.lab.address.split("?", 1)
        address = f"{start.split('/lab/tree/')[0]}/lab/tree/{path}" if path else start
        self.page.goto(f"{address}?{token}&reset")
        self.page.locator("#jupyterlab-splash").wait_for(state="detached", timeout=60_000)
        shown = ".jp-NotebookPanel:visible .jp-Cell .jp-RenderedMarkdown h1"
        self.page.locator(shown).first.wait_for(timeout=60_000)

    def counts(self) -> list[int | None]:
        """Return the execution counts of the code cells."""
        return self.page.evaluate(_COUNTS)

    def wait_for_kernel(self) -> None:
        """Wait until the kernel is there: the toolbar says idle before there is one."""
        self.page.wait_for_function(_KERNEL_IS_IDLE, timeout=60_000)

    def run_all(self, timeout_s: float = 180) -> None:
        """Run all cells from the menu and wait until the last has run."""
        self.wait_for_kernel()
        self.page.locator('.lm-MenuBar-itemLabel:text-is("Run")').click()
        self.page.locator('.lm-Menu-itemLabel:text-is("Run All Cells")').click()
        every = f"() => ({_COUNTS})().every((count) => count !== null)"
        self.page.wait_for_function(every, timeout=1000 * timeout_s)
        self.page.wait_for_function(_KERNEL_IS_IDLE, timeout=1000 * timeout_s)

    def ask_kernel(self, code: str) -> str | None:
        """Return what the kernel answers, beside the cells."""
        return self.page.evaluate(_ANSWER, code)

    def keep(self, name: str) -> None:
        """Keep a screenshot for the eye."""
        self.page.screenshot(path=self.screenshots / f"{name}.png")


@pytest.fixture
def notebook(page: Page, lab: Lab, pytestconfig: pytest.Config) -> Notebook:
    """The driver; its screenshots are kept in pytest's cache folder."""
    return Notebook(page, lab, pytestconfig.cache.mkdir("browser-screenshots"))
