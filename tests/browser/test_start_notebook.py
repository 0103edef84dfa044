"""The start notebook in a real JupyterLab, used as a person uses it."""

from __future__ import annotations

import time

PHASE_SECONDS_MAX = 0.5
CANCEL_SECONDS_MAX = 0.3
ANSWER_SECONDS_MAX = 1.0

PHASES = r"/^(starting|compiling|warming|measuring)/"
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


class TestStartNotebook:
    """One visit, from the address that ``lab open`` prints to a report on another's screen."""

    def test_a_visit(self, notebook, session, lab, report_page) -> None:
        notebook.open()
        self.look_at_the_first_figure(notebook)
        self.run_all(notebook)
        panel = self.panel_of(notebook)
        self.move_a_slider(notebook, panel)
        self.start_a_run(notebook, panel)
        self.cancel_it(notebook, lab)
        self.export_a_report(notebook, panel, lab, report_page)
        assert session.outside() == []
        assert session.complaints() == []

    def look_at_the_first_figure(self, notebook) -> None:
        """The committed picture is there before anything has run."""
        notebook.keep("1-opened")
        picture = notebook.page.locator(".jp-OutputArea-output img").first
        picture.scroll_into_view_if_needed()
        assert picture.evaluate("image => image.naturalWidth") > 800
        words = notebook.page.locator("details:has(summary)").first
        words.locator("summary").click()
        assert "99.9 % within" in words.inner_text()
        words.locator("summary").click()
        assert notebook.counts()[0] is None
        notebook.keep("2-first-figure")

    def run_all(self, notebook) -> None:
        notebook.run_all()
        stderr = '[data-mime-type="application/vnd.jupyter.stderr"]'
        errors = '[data-mime-type="application/vnd.jupyter.error"]'
        assert notebook.page.locator(f"{stderr}, {errors}").all_inner_texts() == []
        assert notebook.ask_kernel("1 + 1") == "2"

    def panel_of(self, notebook):
        panel = notebook.page.locator(".jp-OutputArea-output:has(.exchange-lab)").first
        panel.scroll_into_view_if_needed()
        panel.locator(".figure img").first.wait_for()
        panel.evaluate("element => element.scrollIntoView({block: 'start'})")
        notebook.keep("3-panel")
        return panel

    def move_a_slider(self, notebook, panel) -> None:
        """The figure's pixels change while the slider moves; nothing is measured anew."""
        figure = panel.locator(".figure img").first
        before, source = figure.screenshot(), figure.get_attribute("src")
        panel.locator('.widget-hslider:has-text("percentiles up to") .noUi-handle').first.focus()
        notebook.page.keyboard.press("ArrowLeft")
        notebook.page.wait_for_function(
            "([image, source]) => image.isConnected ? image.src !== source : true",
            arg=[figure.element_handle(), source],
            timeout=5_000,
        )
        notebook.page.wait_for_timeout(200)
        after = panel.locator(".figure img").first.screenshot()
        assert after != before
        notebook.keep("4-slider-moved")

    def start_a_run(self, notebook, panel) -> None:
        notebook.page.evaluate(CLICK_AND_WATCH, ["Run", PHASES.strip("/")])
        seconds = notebook.page.evaluate("window.watched") / 1000
        assert seconds < PHASE_SECONDS_MAX, f"the phase was named after {seconds:.2f} s"
        panel.locator('.widget-label:has-text("measuring")').first.wait_for(timeout=60_000)
        panel.locator(".progress-bar").first.wait_for()
        notebook.page.wait_for_function(
            "bar => bar.getBoundingClientRect().width > 0",
            arg=panel.locator(".progress-bar").first.element_handle(),
            timeout=60_000,
        )
        notebook.keep("5-measuring")
        start = time.monotonic()
        assert notebook.ask_kernel("1 + 1") == "2"
        assert time.monotonic() - start < ANSWER_SECONDS_MAX

    def cancel_it(self, notebook, lab) -> None:
        assert lab.measured(), "no process of a run was there"
        start = time.monotonic()
        notebook.page.evaluate(CLICK_AND_WATCH, ["Cancel", "^cancelled"])
        while lab.measured() and time.monotonic() - start < 5:
            time.sleep(0.005)
        gone_s = time.monotonic() - start
        said_s = notebook.page.evaluate("window.watched") / 1000
        assert gone_s < CANCEL_SECONDS_MAX, f"the processes were gone after {gone_s:.2f} s"
        assert said_s < CANCEL_SECONDS_MAX, f"the panel said so after {said_s:.2f} s"
        assert notebook.ask_kernel("2 + 2") == "4"
        notebook.keep("6-cancelled")
        print(f"processes gone after {gone_s:.3f} s, said after {said_s:.3f} s")

    def export_a_report(self, notebook, panel, lab, report_page) -> None:
        """The report shows itself from the disk and asks nobody for anything."""
        folder = lab.checkout / "data" / "results" / "reports"
        before = set(folder.glob("*.html"))
        panel.locator('button:has-text("Export")').click()
        panel.locator('.widget-html:has-text(".html")').first.wait_for(timeout=20_000)
        notebook.keep("7-exported")
        (report,) = set(folder.glob("*.html")) - before
        page, asked = report_page
        page.goto(report.as_uri())
        figures = page.locator("img")
        assert figures.count() >= 1
        for figure in figures.all():
            assert figure.evaluate("image => image.complete && image.naturalWidth") > 300
            assert figure.get_attribute("alt")
        page.screenshot(path=notebook.screenshots / "8-report.png", full_page=True)
        assert [url for url in asked.requests if not url.startswith(("file:", "data:"))] == []
        assert asked.console == []
