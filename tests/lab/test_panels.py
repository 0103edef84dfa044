"""Panels with the real widgets and real runs, without a browser."""

from __future__ import annotations

import asyncio
import base64
import re
import time
from html import unescape

import ipywidgets as widgets
import pytest

from engines.errors import InputError
from lab.experiments import EXPERIMENTS
from lab.experiments.parameters import Parameter, controls_of
from lab.measure.result import results, save
from lab.panels import Panel, markup, panel
from lab.panels.controls import Control, Controls

SMOKE = dict(EXPERIMENTS["matching_latency"].sizes["smoke"])
QUICK = SMOKE | {"engines": ["price_ladder"], "messages": 1_000}
LONG = {"messages": 1_000_000, "rounds": 20, "seconds": 20.0}


@pytest.fixture
def folders(tmp_path):
    return {name: tmp_path / name for name in ("runs", "shipped", "reports")}


@pytest.fixture
def latency_panel(folders, latency_result):
    """Return a panel that opens with a shipped result; a run that goes on is stopped."""
    save(latency_result(), folders["shipped"])
    made = Panel(EXPERIMENTS["matching_latency"], **folders)
    yield made
    if made.job is not None:
        made.job.cancel()
        wait_for(lambda: not made.run_button.disabled, 10)


def wait_for(is_so, seconds: float) -> float:
    """Wait until something is so; return how long it took."""
    start = time.monotonic()
    while not is_so():
        assert time.monotonic() - start < seconds, f"not within {seconds} s"
        time.sleep(0.002)
    return time.monotonic() - start


def png_of(html: str) -> bytes:
    return base64.b64decode(re.search(r'src="data:image/png;base64,([^"]+)"', html)[1])


def slider_of(control: Control) -> widgets.Widget | None:
    """Return the slider of a control that has one beside its field."""
    return control.widget.children[0] if isinstance(control.widget, widgets.HBox) else None


def test_every_experiment_has_a_panel():
    for name, experiment in EXPERIMENTS.items():
        made = panel(name)
        assert isinstance(made, widgets.Widget)
        assert set(made.controls.values()) == set(experiment.parameters({}))
    with pytest.raises(InputError, match="did you mean matching_latency"):
        panel("matching_latencies")


def test_controls_start_at_the_defaults(latency_panel):
    assert latency_panel.values() == EXPERIMENTS["matching_latency"].parameters({})


def test_a_panel_can_start_elsewhere(folders):
    made = Panel(EXPERIMENTS["matching_latency"], {"rounds": 1, "live_orders": 12_345}, **folders)
    values = made.values()
    assert (values["rounds"], values["live_orders"]) == (1, 12_345)
    assert values["messages"] == EXPERIMENTS["matching_latency"].parameters({})["messages"]


def test_a_panel_that_cannot_start_there_says_why(folders):
    with pytest.raises(InputError, match="rounds 0 is below 1"):
        Panel(EXPERIMENTS["matching_latency"], {"rounds": 0}, **folders)


def test_each_parameter_has_its_bounds_its_unit_and_its_help():
    parameters = controls_of(EXPERIMENTS["matching_latency"].model())
    controls = Controls(parameters)
    for parameter in parameters:
        control = controls.controls[parameter.name]
        for item in control._inputs:
            assert parameter.description in item.tooltip
            assert parameter.unit in item.tooltip or parameter.kind == "multi"
        slider = slider_of(control)
        if isinstance(slider, widgets.SelectionSlider):
            stops = [stop for _, stop in slider.options]
            assert (stops[0], stops[-1]) == (parameter.low, parameter.high)
            assert parameter.default in stops
            assert stops == sorted(stops)


def test_groups_of_machine_and_statistics_start_folded(latency_panel):
    folds = [w for w in latency_panel.controls.widget.children if isinstance(w, widgets.Accordion)]
    assert sorted(fold.titles[0] for fold in folds) == ["Machine", "Statistics"]
    assert all(fold.selected_index is None for fold in folds)


@pytest.mark.parametrize("kind", ["int", "float", "bool", "text"])
def test_any_kind_of_parameter_has_a_control(kind):
    default = {"int": 5, "float": 0.5, "bool": True, "text": "a.csv"}[kind]
    low, high = (0, 10) if kind in ("int", "float") else (None, None)
    parameter = Parameter("x", "X", "help", kind, default, low, high, (), "", "linear", "Flow")
    control = Control(parameter)
    assert control.value == default
    assert type(control.value) is type(default)


def test_any_number_can_be_typed_and_is_what_runs(latency_panel):
    control = latency_panel.controls.controls["live_orders"]
    slider, field = control.widget.children
    assert not slider.readout  # its number would take letters and ignore them
    for typed, nearest in ((12_345, 15_000), (100, 100), (1_000_000, 1_000_000)):
        field.value = typed
        assert control.value == typed and type(control.value) is int
        assert slider.value == nearest
        assert f"--live-orders {typed}" in unescape(latency_panel.command.value)
        assert latency_panel.values()["live_orders"] == typed


def test_a_dragged_slider_sets_the_number(latency_panel):
    control = latency_panel.controls.controls["live_orders"]
    slider, field = control.widget.children
    slider.value = 2_000
    assert field.value == control.value == 2_000


def test_a_number_out_of_bounds_becomes_the_bound(latency_panel):
    control = latency_panel.controls.controls["live_orders"]
    for typed, expected in ((1, 100), (10**9, 1_000_000)):
        control.value = typed
        assert latency_panel.values()["live_orders"] == expected


def test_a_panel_opens_with_the_result_most_like_its_settings(folders, latency_result):
    """The newest is of another size; so the older one is shown, and what differs is said."""
    near = latency_result(rivals=("price_ladder",), live_orders=20_000)
    far = latency_result(live_orders=5_000, messages=2_000, seed=9)
    far.created = "2026-11-24T05:40:00Z"
    for result in (near, far):
        save(result, folders["shipped"])
    made = Panel(EXPERIMENTS["matching_latency"], **folders)
    assert made.result.parameters["live_orders"] == 20_000
    assert "with 20,000 live orders; press Run to measure the settings" in made.origin.value
    made.controls.show({"live_orders": 20_000})
    assert "with" not in made.origin.value.replace("shipped with the lab", "")


def test_a_changed_control_runs_once_it_stands_still(latency_panel, folders):
    """Of several changes the last is measured; a change cancels the run that is under way."""
    latency_panel.controls.show(QUICK)
    assert latency_panel.job is None
    latency_panel.follow.value = True
    latency_panel.controls.show(LONG | {"live_orders": 3_000})
    assert latency_panel.job is None  # not before the controls have stood still
    wait_for(lambda: latency_panel.job is not None, 5)
    first = latency_panel.job
    latency_panel.controls.show(QUICK | {"live_orders": 2_000})
    wait_for(lambda: latency_panel.job is not first, 10)
    assert first.state == "cancelled"
    wait_for(lambda: "this run" in latency_panel.origin.value, 120)
    assert latency_panel.result.parameters["live_orders"] == 2_000
    assert len(results(folders["runs"])) == 1


def test_cancel_ends_the_run_and_leaves_the_tick(latency_panel):
    latency_panel.follow.value = True
    latency_panel.controls.show(LONG)
    wait_for(lambda: latency_panel.job is not None, 5)
    latency_panel.controls.show({"live_orders": 2_000})
    latency_panel.cancel_button.click()
    wait_for(lambda: latency_panel.phase.value.startswith("cancelled"), 5)
    first = latency_panel.job
    time.sleep(0.7)  # longer than a change waits for: Cancel forgot the change as well
    assert latency_panel.job is first
    assert latency_panel.follow.value


def test_changes_show_in_the_command_and_the_estimate(latency_panel):
    before = latency_panel.estimate.value
    latency_panel.controls.show({"live_orders": 2_000, **LONG})
    shown = unescape(latency_panel.command.value)
    assert "--live-orders 2000" in shown and "live_orders=2000" in shown
    assert latency_panel.estimate.value != before
    assert "about" in latency_panel.estimate.value


def test_what_cannot_be_run_is_said_and_not_run(latency_panel):
    latency_panel.controls.show({"engines": []})
    assert "engines is empty" in latency_panel.estimate.value
    assert latency_panel.run_button.disabled
    latency_panel.controls.show({"engines": ["price_ladder"]})
    assert not latency_panel.run_button.disabled


def test_a_panel_opens_with_the_shipped_picture(latency_panel):
    assert "shipped with the lab" in latency_panel.origin.value
    assert "AMD EPYC, 2 CPUs, KVM" in latency_panel.origin.value
    assert png_of(latency_panel.view.image).startswith(b"\x89PNG")
    assert 'alt="Percentile plot.' in latency_panel.view.image
    assert "price_ladder" in latency_panel.view.table.value


def test_a_panel_without_a_result_says_what_to_do(folders):
    made = Panel(EXPERIMENTS["matching_latency"], **folders)
    assert "press Run" in made.origin.value
    assert made.export_button.disabled and made.keep_button.disabled


def test_a_damaged_result_is_a_message(folders, latency_result):
    path = save(latency_result(), folders["shipped"])
    path.write_text(path.read_text()[:500])
    made = Panel(EXPERIMENTS["matching_latency"], **folders)
    assert path.name in made.message.value
    assert "Traceback" not in made.message.value


def test_the_view_slider_changes_the_picture_at_once(latency_panel):
    before = png_of(latency_panel.view.image)
    start = time.monotonic()
    latency_panel.view.highest.value = 99.0
    assert time.monotonic() - start < 2.0
    assert png_of(latency_panel.view.image) != before
    latency_panel.view.highest.value = 99.99
    assert png_of(latency_panel.view.image) == before


def test_tabs_and_kinds_of_commands(latency_panel):
    view = latency_panel.view
    assert view.tabs.titles == ("Percentiles", "Histogram", "Comparisons")
    whole = png_of(view.image)
    view.tabs.selected_index = 1
    assert 'alt="Histogram' in view.image
    view.tabs.selected_index = 0
    view.case.value = "cancel"
    assert png_of(view.image) != whole
    assert ">all<" not in view.table.value


def test_a_run_to_its_end_and_its_report(latency_panel, folders):
    before = latency_panel.view.image
    latency_panel.controls.show(QUICK)
    phases = []
    latency_panel.phase.observe(lambda change: phases.append(change.new), names="value")
    start = time.monotonic()
    latency_panel.run_button.click()
    assert time.monotonic() - start < 0.5
    assert phases[0] == "starting"
    assert latency_panel.run_button.disabled and not latency_panel.cancel_button.disabled
    wait_for(lambda: latency_panel.view.image != before, 120)
    assert "this run" in latency_panel.origin.value
    assert any(phase.startswith("measuring") for phase in phases)
    assert latency_panel.phase.value.startswith("done in")
    assert latency_panel.result.parameters["engines"] == ["price_ladder"]
    assert latency_panel.earlier.shown == []  # a shipped result is no earlier run
    assert [item.path for item in results(folders["runs"])] == [latency_panel.result.path]
    check_keep(latency_panel)
    latency_panel.export_name.value = "mine"
    latency_panel.export_button.click()
    assert (folders["reports"] / "mine.html").is_file()
    assert (folders["reports"] / "mine.json").is_file()
    assert "mine.html" in latency_panel.exported.value
    latency_panel.export_name.value = "mine.pdf"
    latency_panel.export_button.click()
    assert "name a .html file" in latency_panel.message.value


def check_keep(made: Panel) -> None:
    """Keep the run that was made: it lies behind the next one and can be hidden."""
    kept = made.result
    made.keep_button.click()
    assert made.keep_button.disabled
    made.run_button.click()
    wait_for(lambda: made.result is not kept, 120)
    wait_for(lambda: "price_ladder ①" in made.view.image, 10)
    assert made.view.runs[1] is kept
    made.earlier.widget.children[0].value = False
    assert made.view.runs == [made.result]
    assert "①" not in made.view.image


def test_cancel_frees_the_panel_within_moments(latency_panel, folders):
    latency_panel.controls.show(LONG)
    latency_panel.run_button.click()
    wait_for(lambda: latency_panel.bar.value > 0 or "reference" in latency_panel.phase.value, 60)
    latency_panel.cancel_button.click()
    took = wait_for(lambda: latency_panel.phase.value.startswith("cancelled"), 5)
    assert took < 1.0  # 0.25 s on two busy CPUs; the bound leaves room for a busier machine
    assert not latency_panel.run_button.disabled and latency_panel.cancel_button.disabled
    assert "shipped" in latency_panel.origin.value
    assert not list(folders["runs"].glob("*.json"))


def test_one_panel_measures_at_a_time(latency_panel, folders):
    latency_panel.controls.show(LONG)
    latency_panel.run_button.click()
    other = Panel(EXPERIMENTS["matching_throughput"], **folders)
    other.run_button.click()
    assert "another panel is measuring" in other.message.value
    assert other.job is None


def test_a_failed_run_is_a_message(latency_panel, folders):
    folders["runs"].write_text("a file where the folder of results should be")
    latency_panel.controls.show(QUICK)
    latency_panel.run_button.click()
    wait_for(lambda: latency_panel.phase.value == "failed", 120)
    assert "runs" in latency_panel.message.value
    assert "Traceback" not in latency_panel.message.value
    assert not latency_panel.run_button.disabled


def test_in_a_kernel_figures_are_drawn_on_its_loop(folders, latency_result):
    """The job's thread only asks the loop, which is where the panel was made."""
    save(latency_result(), folders["shipped"])

    async def scene() -> None:
        made = Panel(EXPERIMENTS["matching_latency"], **folders)
        made.controls.show(QUICK)
        made.run_button.click()
        made.job.wait(120)
        assert "shipped" in made.origin.value  # the loop has had no turn yet
        for _ in range(500):
            await asyncio.sleep(0.01)
            if "this run" in made.origin.value:
                return
        raise AssertionError("the run was never shown")

    asyncio.run(scene())


def test_what_a_result_says_is_inert_in_a_panel(folders, latency_result):
    result = latency_result()
    evil = "<img src=x onerror=alert(1)>"
    result.verdict.finding = result.verdict.reason = result.machine["name"] = evil
    save(result, folders["shipped"])
    made = Panel(EXPERIMENTS["matching_latency"], **folders)
    shown = [made.origin, made.view.table, made.view.verdict, made.view.tabs.children[0]]
    for item in shown:
        assert "<img src=x" not in item.value
    assert "&lt;img src=x" in made.origin.value


def test_tables_of_several_metrics_name_them(latency_result):
    """A panel shows no captions: one table needs none, of several each first heading says what."""
    one, several = latency_result(), latency_result()
    assert "rival</th><th>p50" in markup.table([one], "all")
    more = [
        item.model_copy(update={"metric": "response_time", "quantiles": {}})
        for item in several.measurements
    ]
    several.measurements += more
    shown = markup.table([several], "all")
    assert "rival</th><th>p50" not in shown
    for name in ("service time of a command", "response time"):
        assert f'<th class="name">{name}</th>' in shown


def test_an_earlier_run_without_the_case_has_no_rows(latency_result):
    now, earlier = latency_result(), latency_result()
    for item in now.measurements:
        item.case = "80 % load"
    rows = markup.table([now, earlier], "80 % load").count("<tr>")
    assert rows == markup.table([now], "80 % load").count("<tr>")
    assert rows < markup.table([now, now], "80 % load").count("<tr>")
