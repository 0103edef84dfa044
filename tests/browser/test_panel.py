"""A panel in JupyterLab, used as a person uses it: a run that fills in, overlays, exports."""

from __future__ import annotations

import time

import nbformat
import pytest

PHASE_SECONDS_MAX = 0.5
CANCEL_SECONDS_MAX = 0.3
ANSWER_SECONDS_MAX = 1.0
EXPORT_SECONDS_MAX = {"html": 5.0, "pdf": 15.0}

NAME = "notebooks/panel_visit.ipynb"
PANEL = (
    'panel = lab.panel("matching_latency", engines=["binary_heap", "price_ladder"],'
    " messages=2_000, live_orders=500, rounds=20, seconds=0.05)"
)
# Clicks a button and keeps a promise of the milliseconds until a label of the panel says something.
CLICK_AND_WATCH = """([button, said]) => {
    const pattern = new RegExp(said);
    const panel = document.querySelector(".exchange-lab").closest(".jp-OutputArea-output");
    const says = () => [...panel.querySelectorAll(".widget-label")]
        .some((label) => pattern.test(label.textContent));
    const start = performance.now();
    window.watched = new Promise((resolve) => {
        const look = () => says() ? resolve(performance.now() - start) : setTimeout(look, 2);
        [...panel.querySelectorAll("button")]
            .find((found) => found.textContent.trim() === button).click();
        look();
    });
}"""
# A menu's words have spaces that do not break.
CHOSEN = "menu => menu.selectedOptions[0].label.replaceAll('\\u00a0', ' ')"
PLACE = """(menu, words) => [...menu.options]
    .findIndex((one) => one.label.replaceAll("\\u00a0", " ").includes(words))"""


@pytest.fixture
def opened(notebook, lab):
    """A notebook with a panel, run; afterwards no run is left."""
    made = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        cells=[
            nbformat.v4.new_markdown_cell("# A visit"),
            nbformat.v4.new_code_cell(f"import lab\n\n{PANEL}\npanel"),
        ],
    )
    nbformat.write(made, lab.checkout / NAME)
    notebook.open(NAME)
    notebook.run_all()
    yield notebook
    for process in lab.measured():
        process.kill()
    (lab.checkout / NAME).unlink()


class TestPanel:
    """One visit, from the first look to a report on another's screen."""

    def test_a_visit(self, opened, session, lab, report_page) -> None:
        panel = self.look(opened)
        self.choose_by_keyboard(opened, panel)
        self.start_a_run(opened, panel)
        self.see_it_fill_in(opened, panel)
        self.cancel_it(opened, lab, panel)
        self.overlay_two_runs(opened, panel)
        self.export(opened, panel, lab, report_page)
        assert session.outside() == []
        assert session.complaints() == []

    def look(self, notebook):
        panel = notebook.page.locator(".jp-OutputArea-output:has(.exchange-lab)").first
        panel.locator("table").first.wait_for()
        panel.evaluate("element => element.scrollIntoView({block: 'start'})")
        notebook.page.wait_for_timeout(500)  # the canvas is drawn once the page has its size
        notebook.keep("panel-1-opened")
        return panel

    def choose_by_keyboard(self, notebook, panel) -> None:
        """A fold opens, and a preset is chosen, without the mouse; then all is as it was."""
        heading = panel.locator('button:has-text("Statistics")')
        heading.focus()
        notebook.page.keyboard.press("Enter")
        panel.locator('label:has-text("Seed")').wait_for()
        notebook.page.keyboard.press("Enter")
        panel.locator('label:has-text("Seed")').wait_for(state="hidden")
        preset = panel.locator("select").first
        assert preset.evaluate(CHOSEN) == "own settings"
        preset.select_option(index=preset.evaluate(PLACE, "quick look"))
        assert self.asked_until(notebook, "panel.values()['messages']", "2000")
        assert self.asked_until(notebook, "panel.values()['rounds']", "1")
        notebook.ask_kernel("panel.controls.show(dict(rounds=20, seconds=0.05))")
        chosen = "panel.controls.show(dict(engines=['binary_heap', 'price_ladder']))"
        notebook.ask_kernel(chosen)

    def start_a_run(self, notebook, panel) -> None:
        notebook.page.evaluate(CLICK_AND_WATCH, ["Run", "^(starting|compiling|warming|measuring)"])
        seconds = notebook.page.evaluate("window.watched") / 1000
        assert seconds < PHASE_SECONDS_MAX, f"the phase was named after {seconds:.2f} s"
        panel.locator('.widget-label:has-text("measuring")').first.wait_for(timeout=60_000)
        panel.locator('.quiet:has-text("left")').first.wait_for()
        start = time.monotonic()
        assert notebook.ask_kernel("1 + 1") == "2"
        assert time.monotonic() - start < ANSWER_SECONDS_MAX

    def see_it_fill_in(self, notebook, panel) -> None:
        """The figure of the run that goes on takes the place of the shipped one, marked so."""
        panel.locator('[role=status]:has-text("so far")').first.wait_for(timeout=60_000)
        assert self.asked_until(notebook, "panel.view.runs[0] is panel.job.so_far", "True")
        assert panel.locator('button:has-text("Keep")').is_disabled()
        notebook.page.wait_for_timeout(300)
        notebook.keep("panel-2-filling-in")

    def cancel_it(self, notebook, lab, panel) -> None:
        """The processes are gone at once, and what was shown before is back."""
        assert lab.measured(), "no process of a run was there"
        start = time.monotonic()
        notebook.page.evaluate(CLICK_AND_WATCH, ["Cancel", "^cancelled"])
        while lab.measured() and time.monotonic() - start < 5:
            time.sleep(0.005)
        gone_s = time.monotonic() - start
        said_s = notebook.page.evaluate("window.watched") / 1000
        print(f"processes gone after {gone_s:.3f} s, said after {said_s:.3f} s")
        assert gone_s < CANCEL_SECONDS_MAX, f"the processes were gone after {gone_s:.2f} s"
        assert said_s < CANCEL_SECONDS_MAX, f"the panel said so after {said_s:.2f} s"
        assert notebook.ask_kernel("2 + 2") == "4"
        panel.locator('[role=status]:has-text("so far")').wait_for(state="detached")
        assert self.asked_until(notebook, "panel.view.runs[0] is panel.result", "True")
        notebook.keep("panel-3-cancelled")

    def overlay_two_runs(self, notebook, panel) -> None:
        """A run is kept, named, and lies behind the next one."""
        notebook.ask_kernel("panel.controls.show(dict(rounds=2))")
        self.run_to_its_end(notebook, panel)
        panel.locator('button:has-text("Keep")').click()
        notebook.ask_kernel("panel.controls.show(dict(live_orders=5_000))")
        self.run_to_its_end(notebook, panel)
        name = panel.locator('input[title*="type a name"]').first
        name.fill("a small book")
        name.press("Enter")
        panel.locator(
            'td:has-text("price_ladder ①"), th:has-text("price_ladder ①")'
        ).first.wait_for()
        assert self.asked_until(notebook, "len(panel.view.runs)", "2")
        assert self.asked_until(notebook, "panel.pinned.names()", "{'①': 'a small book'}")
        notebook.page.wait_for_timeout(500)
        notebook.keep("panel-4-two-runs")

    def run_to_its_end(self, notebook, panel) -> None:
        notebook.page.evaluate(CLICK_AND_WATCH, ["Run", "^starting"])
        notebook.page.evaluate("window.watched")
        panel.locator('.widget-label:has-text("done in")').first.wait_for(timeout=90_000)
        assert self.asked_until(notebook, "panel.result is panel.job.result", "True")

    def export(self, notebook, panel, lab, report_page) -> None:
        """HTML and PDF are written in time; the page asks nobody for anything."""
        folder = lab.checkout / "data" / "results" / "reports"
        for ending, most in EXPORT_SECONDS_MAX.items():
            before = set(folder.glob(f"*.{ending}"))
            formats = panel.locator("select").last
            formats.select_option(index=formats.evaluate(PLACE, f"(.{ending})"))
            start = time.monotonic()
            panel.locator('button:has-text("Export")').click()
            panel.locator(f'.quiet:has-text("report"):has-text(".{ending}")').wait_for()
            took_s = time.monotonic() - start
            print(f"{ending} after {took_s:.2f} s")
            assert took_s < most
            (written,) = set(folder.glob(f"*.{ending}")) - before
            assert written.stat().st_size > 10_000
            if ending == "html":
                self.open_report(notebook, report_page, written)
        notebook.keep("panel-5-exported")

    def open_report(self, notebook, report_page, report) -> None:
        page, asked = report_page
        page.goto(report.as_uri())
        assert page.locator("img").count() >= 1
        for figure in page.locator("img").all():
            assert figure.evaluate("image => image.complete && image.naturalWidth") > 300
            assert figure.get_attribute("alt")
        page.screenshot(path=notebook.screenshots / "panel-6-report.png", full_page=True)
        assert [url for url in asked.requests if not url.startswith(("file:", "data:"))] == []
        assert asked.console == []

    def asked_until(self, notebook, code: str, answer: str, seconds: float = 10.0) -> bool:
        """Ask the kernel until it answers as expected; widgets' messages take a moment."""
        end_s = time.monotonic() + seconds
        while (said := notebook.ask_kernel(code)) != answer:
            assert time.monotonic() < end_s, f"{code} is {said}, not {answer}"
            time.sleep(0.05)
        return True
