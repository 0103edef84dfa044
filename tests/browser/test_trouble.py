"""What goes wrong while a run is on, in a real JupyterLab: its kernel is killed, its tab closed.

A run belongs to the kernel. With the kernel it ends, within moments and without a trace; without a
page it goes on, and its result is there afterwards. What needs no browser is in
tests/lab/test_trouble.py.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import nbformat
import psutil
import pytest

GONE_SECONDS_MAX = 0.5
CANCEL_SECONDS_MAX = 0.3
NAME = "notebooks/trouble.ipynb"
# A dozen seconds: long enough to be killed in, short enough to be waited for.
PANEL = (
    'panel = lab.panel("matching_throughput", engines=["binary_heap"], messages=2_000,'
    " live_orders=500, rounds=6, seconds=0.8)"
)
FOLD = "document.querySelector('.exchange-lab').closest('.jp-OutputArea-output')"
PRESS = f"""(name) => [...{FOLD}.querySelectorAll("button")]
    .find((found) => found.textContent.trim() === name).click()"""
RESTART = """async () => {
    const context = window.jupyterapp.shell.currentWidget.context.sessionContext;
    await context.session.kernel.restart();
}"""
EVIL = (
    "<script>document.title = 'taken over'</script><img src=x onerror=alert(1)> </title>"
    ' #panic("run") $x$ *bold* `raw` [link](javascript:alert(1)) | pipe'
)


@pytest.fixture
def opened(notebook, lab):
    """A notebook with a panel, run; afterwards no run is left."""
    made = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        cells=[
            nbformat.v4.new_markdown_cell("# Trouble"),
            nbformat.v4.new_code_cell(f"import lab\n\n{PANEL}\npanel"),
        ],
    )
    nbformat.write(made, lab.checkout / NAME)
    notebook.open(NAME)
    show_panel(notebook)
    yield notebook
    for process in lab.measured():
        process.kill()
    (lab.checkout / NAME).unlink()


def show_panel(notebook) -> None:
    """Run all cells and wait for the panel."""
    notebook.run_all()
    notebook.page.locator(".exchange-lab").first.wait_for()


def start_a_run(notebook, lab) -> None:
    """Press Run and wait until it measures."""
    notebook.page.evaluate(PRESS, "Run")
    notebook.page.locator('.widget-label:has-text("measuring")').first.wait_for(timeout=60_000)
    assert lab.measured()


def runs_in(lab) -> set[Path]:
    return set((lab.checkout / "data" / "results" / "runs").glob("*.json"))


def until(condition: Callable[[], object], seconds: float) -> float:
    """Wait for a condition; return how long it took."""
    start_s = time.monotonic()
    while not condition():
        assert time.monotonic() - start_s < seconds, f"not so within {seconds} s"
        time.sleep(0.01)
    return time.monotonic() - start_s


def is_alive(process: psutil.Process) -> bool:
    """Say whether a process has not ended; who took it over may not have looked yet."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def no_words_of_trouble(notebook) -> None:
    said = f"{FOLD}.innerText"
    assert "failed" not in notebook.page.evaluate(said)
    errors = '[data-mime-type="application/vnd.jupyter.error"]'
    assert notebook.page.locator(errors).count() == 0


class TestKernel:
    """A kernel that ends during a run takes its processes with it, and the next one is usable."""

    def test_killed_the_way_memory_kills_it(self, opened, lab, session) -> None:
        before = runs_in(lab)
        start_a_run(opened, lab)
        number = int(opened.ask_kernel("__import__('os').getpid()"))
        running = lab.measured()
        os.kill(number, signal.SIGKILL)
        gone_s = until(lambda: not any(map(is_alive, running)), 5)
        assert gone_s < GONE_SECONDS_MAX, f"the processes were gone after {gone_s:.2f} s"
        opened.keep("trouble-1-kernel-died")
        dialog = opened.page.locator(".jp-Dialog button:has-text('OK')")
        dialog.first.wait_for(timeout=30_000)  # JupyterLab says that it restarts the kernel
        dialog.first.click()
        self.and_then_it_runs(opened, lab, before, number)
        print(f"processes gone after {gone_s:.3f} s")
        assert session.outside() == []

    def test_restarted_by_hand(self, opened, lab, session) -> None:
        before = runs_in(lab)
        start_a_run(opened, lab)
        number = int(opened.ask_kernel("__import__('os').getpid()"))
        opened.page.evaluate(RESTART)
        assert until(lambda: not lab.measured(), 10) < 5
        self.and_then_it_runs(opened, lab, before, number)
        # JupyterLab's own word for what was asked of it
        told = [
            line for line in session.complaints() if "Connection lost, reconnecting" not in line
        ]
        assert told == []

    def and_then_it_runs(self, notebook, lab, before: set[Path], number: int) -> None:
        """Run the cells anew, and the panel to the end of a run."""
        show_panel(notebook)
        assert int(notebook.ask_kernel("__import__('os').getpid()")) != number
        assert runs_in(lab) == before
        start_a_run(notebook, lab)
        notebook.page.locator('.widget-label:has-text("done in")').first.wait_for(timeout=90_000)
        assert len(runs_in(lab) - before) == 1
        no_words_of_trouble(notebook)
        notebook.keep("trouble-2-runs-again")


class TestTab:
    """A tab that is closed during a run leaves it going."""

    def test_its_result_is_there_afterwards(self, opened, lab, session) -> None:
        before = runs_in(lab)
        start_a_run(opened, lab)
        number = opened.ask_kernel("__import__('os').getpid()")
        self.close_and_reopen(opened, wait=lambda: until(lambda: runs_in(lab) - before, 90))
        assert opened.ask_kernel("__import__('os').getpid()") == number
        (path,) = runs_in(lab) - before
        assert opened.ask_kernel("panel.job.state, panel.job.result.path.name") == str(
            ("done", path.name)
        )
        assert opened.ask_kernel("lab.results('matching_throughput')[0].path.name") == repr(
            path.name
        )
        show_panel(opened)
        no_words_of_trouble(opened)
        assert session.complaints() == []

    def test_it_can_be_ended_from_the_reopened_notebook(self, opened, lab, session) -> None:
        before = runs_in(lab)
        start_a_run(opened, lab)
        self.close_and_reopen(opened, wait=lambda: time.sleep(0.5))
        assert lab.measured(), "it went on without a page"
        show_panel(opened)
        opened.page.evaluate(PRESS, "Run")
        opened.page.locator(".exchange-lab, .widget-html").locator(
            "text=another panel is measuring"
        ).first.wait_for(timeout=5_000)
        opened.keep("trouble-3-another-measures")
        opened.page.evaluate(PRESS, "Cancel")
        gone_s = until(lambda: not lab.measured(), 5)
        assert gone_s < CANCEL_SECONDS_MAX, f"the processes were gone after {gone_s:.2f} s"
        assert runs_in(lab) == before
        start_a_run(opened, lab)
        opened.page.evaluate(PRESS, "Cancel")
        until(lambda: not lab.measured(), 5)
        assert session.complaints() == []

    def close_and_reopen(self, notebook, wait: Callable[[], object]) -> None:
        """Close the page and open the notebook in a new one of the same browser."""
        context = notebook.page.context
        notebook.page.close(run_before_unload=False)
        wait()
        notebook.page = context.new_page()
        notebook.open(NAME)
        notebook.wait_for_kernel()


class TestTitle:
    """A title with markup is words on whoever's screen."""

    def test_as_a_page_and_in_jupyterlabs_preview(self, lab, notebook, report_page) -> None:
        for ending in ("html", "md", "pdf"):
            self.write(lab, ending)
        page, asked = report_page
        dialogs: list[str] = []
        page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        page.goto((lab.checkout / "notebooks" / "title.html").as_uri())
        assert page.title() == EVIL
        assert page.locator("h1").inner_text() == EVIL
        assert page.locator("script, h1 *").count() == 0
        assert [url for url in asked.requests if not url.startswith(("file:", "data:"))] == []
        assert (asked.console, dialogs) == ([], [])
        self.preview(notebook)

    def write(self, lab, ending: str) -> None:
        shipped = next((lab.checkout / "data/results/shipped").glob("*_page_cost_*.json"))
        words = ["report", shipped, "--title", EVIL, "--notes", EVIL]
        target = lab.checkout / "notebooks" / f"title.{ending}"
        python = lab.checkout / ".venv/bin/python"
        subprocess.run(
            [python, "-m", "lab", *words, "--output", target], cwd=lab.checkout, check=True
        )

    def preview(self, notebook) -> None:
        """Look at the Markdown as JupyterLab shows it, which knows formulas and HTML."""
        notebook.open()
        dialogs: list[str] = []
        notebook.page.on("dialog", lambda dialog: (dialogs.append("said"), dialog.dismiss()))
        notebook.page.evaluate(
            """() => window.jupyterapp.commands.execute("docmanager:open",
                {path: "notebooks/title.md", factory: "Markdown Preview"})"""
        )
        heading = notebook.page.locator(".jp-MarkdownViewer h1").first
        heading.wait_for(timeout=60_000)
        # JupyterLab sets $x$ as a formula, escaped or not; nothing is obeyed, all is there
        before, after = EVIL.split("$x$")
        told = heading.inner_text()
        assert before in told and after in told
        assert heading.locator("script, img, strong, code, a[href^=javascript]").count() == 0
        notebook.keep("trouble-4-title")
        assert dialogs == []
