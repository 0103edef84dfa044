"""Panels with the real widgets and real runs, without a browser."""

from __future__ import annotations

import asyncio
import base64
import re
import time
from html import unescape
from pathlib import Path

import ipywidgets as widgets
import pytest

from engines.errors import InputError
from lab import plots
from lab.experiments import EXPERIMENTS
from lab.experiments.parameters import Parameter, controls_of
from lab.measure.result import SHIPPED, Result, results, save
from lab.panels import Panel, markup, panel
from lab.panels.controls import Control, Controls
from lab.panels.pinned import Pinned

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


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_has_a_panel(name):
    """It opens with its shipped result, if there is one, and everything in it has a name."""
    made, experiment = panel(name), EXPERIMENTS[name]
    assert set(made.controls.values()) == set(experiment.parameters({}))
    assert made.message.value == ""
    assert "about" in made.estimate.value
    if results(SHIPPED, name):
        assert "shipped with the lab" in made.origin.value
        assert made.view.verdict.value and "<table" in made.view.table.value
        if plots.kinds(made.result):  # what the self-check counts is in its table
            assert all(made.view.tabs.titles) and 'alt="' in made.view.image
    else:
        assert "press Run" in made.origin.value or "this run" in made.origin.value
    for item in inputs_of(made):
        assert item.tooltip, f"{item} has no tooltip"
        words = (getattr(item, "description", ""), getattr(item, "placeholder", ""), item.tooltip)
        assert any(words)


def inputs_of(widget: widgets.Widget) -> list[widgets.Widget]:
    """Return all that a person can set or press, in the order of the keyboard's focus."""
    kinds = (widgets.Button, widgets.ToggleButton, widgets.Checkbox, widgets.Dropdown, widgets.Text)
    found = [widget] if isinstance(widget, kinds) else []
    for child in getattr(widget, "children", ()):
        found += inputs_of(child)
    return found


def test_the_keyboard_goes_from_the_settings_to_the_run_to_the_report(latency_panel):
    order = inputs_of(latency_panel)
    named = [latency_panel.presets.widget, latency_panel.run_button, latency_panel.cancel_button]
    named += [latency_panel.keep_button, latency_panel.export.format, latency_panel.export.button]
    places = [order.index(item) for item in named]
    assert places == sorted(places) and places[0] == 0


def test_an_unknown_experiment_is_named():
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
    folds = latency_panel.controls.folds
    assert list(folds) == ["Machine", "Statistics"]
    for fold in folds.values():
        assert not fold.is_open and fold.items.layout.display == "none"
        fold.heading.value = True  # a button, so the keyboard opens it as well
        assert fold.is_open and fold.items.layout.display == ""


def test_a_folded_group_says_what_is_set_in_it(latency_panel):
    statistics = latency_panel.controls.folds["Statistics"].heading
    assert statistics.description == "Statistics · rounds 3, seed 1"
    latency_panel.controls.show({"seed": 7, "stop_early": True})
    assert statistics.description == "Statistics · rounds 3, seed 7, stop early"


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
    assert made.export.button.disabled and made.keep_button.disabled


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
    assert view.tabs.titles[:2] == ("Percentiles", "Histogram")
    assert view.tabs.titles[-1] == "Comparisons"
    whole = png_of(view.image)
    view.tabs.selected_index = 1
    assert 'alt="Histogram' in view.image
    view.tabs.selected_index = 0
    view.case.value = "cancel"
    assert png_of(view.image) != whole
    assert ">all<" not in view.table.value


def test_a_run_to_its_end_and_its_report(latency_panel, folders):
    before = latency_panel.view.image
    latency_panel.controls.show(QUICK | {"rounds": 2})
    phases = []
    latency_panel.phase.observe(lambda change: phases.append(change.new), names="value")
    start = time.monotonic()
    latency_panel.run_button.click()
    assert time.monotonic() - start < 0.5
    assert phases[0] == "starting"
    assert latency_panel.run_button.disabled and not latency_panel.cancel_button.disabled
    wait_for(lambda: latency_panel.job.state == "done", 120)
    wait_for(lambda: latency_panel.view.image != before, 10)
    wait_for(lambda: "this run: measured on" in latency_panel.origin.value, 10)
    wait_for(lambda: "so far" not in latency_panel.view.verdict.value, 10)
    assert "so far" not in latency_panel.origin.value
    assert any(phase.startswith("measuring") for phase in phases)
    assert latency_panel.phase.value.startswith("done in")
    assert latency_panel.result.parameters["engines"] == ["price_ladder"]
    assert latency_panel.pinned.shown == []  # a shipped result is no earlier run
    assert [item.path for item in results(folders["runs"])] == [latency_panel.result.path]
    check_keep(latency_panel)
    check_export(latency_panel, folders["reports"])


def check_export(made: Panel, folder: Path) -> None:
    """Export what is shown, then the figure of the open tab by itself."""
    made.export.name.value, made.export.title.value = "mine", "<b>bold</b>"
    made.export.button.click()
    assert "&lt;b&gt;bold" in (folder / "mine.html").read_text()
    assert (folder / "mine.json").is_file()
    assert "mine.html" in made.export.said.value
    made.view.tabs.selected_index = 1
    made.export.format.value = "svg"
    made.export.button.click()
    assert "<svg" in (folder / "mine.svg").read_text()


def check_keep(made: Panel) -> None:
    """Keep the run that was made: it lies behind the next one and can be hidden."""
    kept = made.result
    made.keep_button.click()
    assert made.keep_button.disabled
    made.run_button.click()
    wait_for(lambda: made.result is not kept, 120)
    wait_for(lambda: "price_ladder ①" in made.view.image, 10)
    assert made.view.runs[1] is kept
    tick, name, remove = made.pinned.widget.children[0].children
    tick.value = False
    assert made.view.runs == [made.result]
    assert "①" not in made.view.image
    tick.value, name.value = True, "before the change"
    assert made.pinned.names() == {"①": "before the change"}
    assert made.view.runs[1] is kept
    made.controls.show({"rounds": 2})  # nothing that is typed is written over
    assert name.value == "before the change"
    remove.click()
    assert made.view.runs == [made.result] and made.pinned.widget.children == ()
    assert not made.pinned.holds(kept)


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
    """Whose page is gone can be ended from another panel: its own Cancel is nowhere to be seen."""
    latency_panel.controls.show(LONG)
    latency_panel.run_button.click()
    other = Panel(EXPERIMENTS["matching_throughput"], **folders)
    assert other.cancel_button.disabled
    other.run_button.click()
    assert "another panel is measuring" in other.message.value
    assert other.job is None
    other.cancel_button.click()
    assert latency_panel.job.state == "cancelled"
    assert other.cancel_button.disabled and other.message.value == ""


def test_the_figure_fills_in_and_a_cancelled_run_gives_the_old_one_back(latency_panel, folders):
    """After each round the panel shows the result so far, marked as such; Cancel keeps nothing."""
    made = latency_panel
    before = made.result
    drafts: list[list[Result]] = []
    show = made.view.show
    made.view.show = lambda runs: (drafts.append(runs), show(runs))
    made.controls.show(QUICK | {"engines": ["binary_heap"], "rounds": 60, "seconds": 0.05})
    estimate, origin = made.estimate.value, made.origin.value
    made.run_button.click()
    wait_for(lambda: "so far 1 of 60 rounds" in made.origin.value, 60)
    assert drafts[0][0].verdict.finding == "So far: 1 of 60 rounds"
    assert made.result is before  # a draft is never the panel's result
    assert "left" in made.estimate.value or "nearly done" in made.estimate.value
    assert made.keep_button.disabled and made.export.button.disabled
    wait_for(lambda: "so far" in made.view.verdict.value, 10)
    wait_for(lambda: re.search(r"so far ([2-9]|\d\d) of 60", made.origin.value), 60)
    made.cancel_button.click()
    wait_for(lambda: made.origin.value == origin, 10)
    assert made.view.runs == [before]
    assert not made.export.button.disabled and not made.keep_button.disabled
    assert made.estimate.value == estimate
    assert not list(folders["runs"].glob("*.json"))


def test_a_cancelled_first_run_leaves_an_empty_panel(folders):
    made = Panel(EXPERIMENTS["matching_throughput"], **folders)
    made.controls.show(QUICK | {"engines": ["binary_heap"], "rounds": 60, "seconds": 0.05})
    made.run_button.click()
    wait_for(lambda: "so far" in made.origin.value, 60)
    made.cancel_button.click()
    wait_for(lambda: "press Run" in made.origin.value, 10)
    assert made.view.runs == [] and made.export.button.disabled


def test_presets_set_the_controls_and_know_when_they_do_not(latency_panel):
    presets = latency_panel.presets
    assert presets.widget.value == "defaults"
    for name, settings in presets.settings.items():
        presets.widget.value = name
        assert latency_panel.values() == settings
        assert presets.widget.value == name
    presets.widget.value = "quick look"
    assert "messages 2,000" in presets.widget.tooltip
    latency_panel.controls.show({"messages": 2_001})
    assert presets.widget.value == "" and presets.widget.label == "own settings"
    assert latency_panel.values()["messages"] == 2_001
    latency_panel.controls.show(EXPERIMENTS["matching_latency"].parameters({}))
    assert presets.widget.value == "defaults"


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_preset_can_be_run_and_each_is_another(name):
    experiment = EXPERIMENTS[name]
    settings = [experiment.parameters(changes) for changes in experiment.presets.values()]
    assert list(experiment.presets)[:3] == ["defaults", "quick look", "full"]
    assert settings[0] == experiment.parameters({})
    assert all(one not in settings[:place] for place, one in enumerate(settings))


def test_five_runs_are_kept_and_no_more(latency_result):
    pinned = Pinned(lambda: None)
    runs = [latency_result(seed=seed) for seed in range(7)]
    for run in runs[:4]:
        pinned.add(run, kept=True)
    pinned.add(runs[4], kept=False)
    assert pinned.shown == runs[4::-1]
    pinned.add(runs[5], kept=True)  # one that nobody keeps gives way
    assert pinned.shown == [runs[5], *runs[3::-1]]
    pinned.add(runs[4], kept=False)
    assert runs[4] not in pinned.shown
    with pytest.raises(InputError, match="5 runs are kept; remove one"):
        pinned.add(runs[6], kept=True)


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
    shown = [item.value for item in (made.origin, made.view.table, made.view.verdict)]
    for html in [*shown, made.view.image]:
        assert "<img src=x" not in html
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
