"""The results browser, its index and its trash: the real widgets over real files, no browser."""

from __future__ import annotations

import json
import os
import shutil
from datetime import date
from pathlib import Path

import pytest

import lab
from engines.errors import FileError, InputError
from lab.measure import index, trash
from lab.measure.index import Wanted, entries
from lab.measure.result import save
from lab.panels.browser import BESIDE, FIGURE, OVERLAID_MOST, REPORTED_MOST, Browser
from lab.panels.browser_list import ROWS


@pytest.fixture
def folders(tmp_path):
    names = ("runs", "shipped", "trash", "reports")
    return {name: tmp_path / name for name in names}


@pytest.fixture
def saved(folders, throughput_result, latency_result):
    """Save two runs of one experiment, one that failed, one of another, and a shipped one."""

    def keep(result, created, folder="runs"):
        result.created = created
        return save(result, folders[folder])

    failed = throughput_result({"reference": 1e4, "binary_heap": 4e5})
    failed.verdict.failed, failed.verdict.stable = ["digest differs"], False
    other = latency_result(rivals=("binary_heap", "price_ladder"), samples=2_000)
    other.machine = other.machine | {"id": "ffff0000", "name": "Graviton 4"}
    other.verdict.stable = False
    return {
        "old": keep(throughput_result(), "2026-11-20T08:00:00Z"),
        "new": keep(throughput_result({"binary_heap": 1e6}), "2026-11-22T08:00:00Z"),
        "failed": keep(failed, "2026-11-21T08:00:00Z"),
        "other": keep(other, "2026-11-23T08:00:00Z"),
        "shipped": keep(throughput_result(), "2026-11-19T08:00:00Z", "shipped"),
    }


@pytest.fixture
def opened(folders, saved):
    """Return a maker of browsers over those results."""

    def make(**wanted):
        places = [folders["runs"], folders["shipped"]]
        rest = (folders["shipped"], folders["trash"], folders["reports"])
        return Browser(Wanted(**wanted), places, *rest)

    return make


def tick(browser, *paths):
    browser.list.choose([entry for entry in browser.found if entry.path in paths])


def listed(browser):
    """What the rows say, without markup."""
    shown = [row for row in browser.list.ticks if row.layout.display != "none"]
    return [row.description for row in shown]


def damage(path, how):
    text = path.read_bytes()
    content = json.loads(text)
    if how == "cut":
        path.write_bytes(text[: len(text) // 2])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "newer":
        content["schema_version"] = 99
        path.write_text(json.dumps(content, indent=1) + "\n")
    elif how == "number":
        content["measurements"][0]["median"] *= 2
        path.write_text(json.dumps(content, indent=1) + "\n")


WHAT_IS_WRONG = {
    "cut": "is not JSON; it was cut short",
    "empty": "is not JSON",
    "newer": "has schema version 99, this program reads",
}


class TestIndex:
    def test_an_entry_says_of_a_file_what_the_whole_result_says(self, folders, saved):
        for entry in entries([folders["runs"], folders["shipped"]], folders["shipped"]):
            result = index.loaded(entry)
            assert (entry.experiment, entry.created) == (result.experiment, result.created)
            assert (entry.finding, entry.machine_id) == (
                result.verdict.finding,
                result.machine["id"],
            )
            assert entry.parameters == result.parameters
            assert entry.is_shipped == (entry.path.parent == folders["shipped"])

    def test_the_newest_come_first_and_states_are_told(self, folders, saved):
        found = entries([folders["runs"]])
        names = {path: name for name, path in saved.items()}
        assert [names[entry.path] for entry in found] == ["other", "new", "failed", "old"]
        states = [entry.state for entry in found]
        assert states == ["not stable", "stable", "failed", "stable"]

    def test_only_new_and_changed_files_are_read_again(self, folders, saved, monkeypatch):
        entries([folders["runs"]])
        read = []
        real = index._opened

        def opened_and_noted(path, *rest):
            read.append(path)
            return real(path, *rest)

        monkeypatch.setattr(index, "_opened", opened_and_noted)
        assert len(entries([folders["runs"]])) == 4
        assert read == []
        damage(saved["new"], "cut")
        entries([folders["runs"]])
        assert read == [saved["new"]]

    def test_numbers_are_not_parsed(self, folders, saved, monkeypatch):
        index._read.clear()
        monkeypatch.setattr(index, "load", lambda path: pytest.fail(f"{path} was read whole"))
        assert len(entries([folders["runs"]])) == 4

    def test_a_file_indented_otherwise_is_a_result_as_well(self, folders, saved):
        path = saved["new"]
        path.write_text(json.dumps(json.loads(path.read_text())))
        found = {entry.path: entry for entry in entries([folders["runs"]])}
        assert found[path].state == "stable"

    @pytest.mark.parametrize("how", WHAT_IS_WRONG)
    def test_what_cannot_be_read_stands_in_the_list_with_its_reason(self, folders, saved, how):
        damage(saved["new"], how)
        found = {entry.path: entry for entry in entries([folders["runs"]])}
        assert found[saved["new"]].state == "unreadable"
        assert found[saved["new"]].experiment == "matching_throughput"
        assert WHAT_IS_WRONG[how] in found[saved["new"]].reason

    def test_a_changed_number_is_found_when_it_is_loaded_and_known_from_then_on(
        self, folders, saved
    ):
        damage(saved["new"], "number")
        entry = next(e for e in entries([folders["runs"]]) if e.path == saved["new"])
        assert entry.state == "stable"
        with pytest.raises(FileError, match="checksum differs"):
            index.loaded(entry)
        (entry,) = (e for e in entries([folders["runs"]]) if e.path == saved["new"])
        assert entry.state == "unreadable"
        assert "checksum differs" in entry.reason

    def test_a_folder_and_a_link_to_nowhere_harm_nothing(self, folders, saved):
        (folders["runs"] / "folder.json").mkdir()
        (folders["runs"] / "nowhere.json").symlink_to(folders["runs"] / "gone")
        found = entries([folders["runs"], folders["runs"] / "not there"])
        assert [entry.state for entry in found].count("unreadable") == 1
        assert len(found) == 5

    @pytest.mark.parametrize(
        ("wanted", "names"),
        [
            ({}, {"old", "new", "failed", "other", "shipped"}),
            ({"experiment": "matching_latency"}, {"other"}),
            ({"machine": "graviton"}, {"other"}),
            ({"machine": "0a1b2c3d"}, {"old", "new", "failed", "shipped"}),
            ({"since": "2026-11-22"}, {"new", "other"}),
            ({"until": "2026-11-20"}, {"old", "shipped"}),
            ({"since": "2026-11-20", "until": "2026-11-20"}, {"old"}),
            ({"verdict": "failed"}, {"failed"}),
            ({"verdict": "not stable"}, {"other"}),
            ({"text": "digest DIFFERS"}, {"failed"}),
            ({"text": "matching_throughput balanced"}, {"old", "new", "failed", "shipped"}),
            ({"text": "no such word"}, set()),
        ],
    )
    def test_filters(self, folders, saved, wanted, names):
        found = entries([folders["runs"], folders["shipped"]])
        paths = {entry.path for entry in found if Wanted(**wanted).takes(entry)}
        assert paths == {saved[name] for name in names}

    def test_a_filter_that_is_none_is_refused(self):
        with pytest.raises(InputError, match="verdict good is unknown; choose of stable"):
            Wanted(verdict="good")
        with pytest.raises(InputError, match="Monday is no day; write it like 2026-11-23"):
            Wanted(since="Monday")


class TestTrash:
    def test_what_is_discarded_can_be_put_back_byte_for_byte(self, folders, saved):
        before = saved["new"].read_bytes()
        moved = trash.discard([saved["new"]], folders["trash"])
        assert not saved["new"].exists()
        assert trash.restore(moved) == [saved["new"]]
        assert saved["new"].read_bytes() == before
        assert list(folders["trash"].iterdir()) == []

    def test_two_files_of_one_name_both_stay(self, folders, saved):
        for content in ("one", "two"):
            saved["new"].write_text(content)
            trash.discard([saved["new"]], folders["trash"])
        assert {path.read_text() for path in folders["trash"].iterdir()} == {"one", "two"}

    def test_one_that_went_meanwhile_is_passed_over(self, folders, saved):
        saved["old"].unlink()
        moved = trash.discard([saved["old"], saved["new"]], folders["trash"])
        assert [path for path, _ in moved] == [saved["new"]]

    def test_all_or_none(self, folders, saved, monkeypatch):
        real = os.rename

        def stuck(source, target):
            if Path(source) == saved["old"]:
                raise PermissionError(13, "Permission denied")
            real(source, target)

        monkeypatch.setattr(trash.os, "rename", stuck)
        with pytest.raises(FileError, match="cannot be deleted .Permission denied., and nothing"):
            trash.discard([saved["new"], saved["old"]], folders["trash"])
        assert saved["new"].exists()
        assert saved["old"].exists()

    def test_a_place_that_was_taken_is_not_overwritten(self, folders, saved):
        moved = trash.discard([saved["new"]], folders["trash"])
        saved["new"].write_text("another")
        with pytest.raises(FileError, match="cannot be put back .File exists.*move it by hand"):
            trash.restore(moved)
        assert saved["new"].read_text() == "another"
        assert moved[0][1].exists()


class TestBrowser:
    def test_it_opens_with_the_newest_and_nothing_chosen(self, opened):
        browser = opened()
        assert [run.experiment for run in browser.results] == ["matching_latency"]
        assert "the newest of the list" in browser.told.value
        assert browser.list.chosen == []
        assert browser.delete_button.disabled
        assert browser.export.button.disabled

    def test_filters_narrow_the_list_and_show_all_widens_it(self, opened):
        browser = opened()
        assert len(listed(browser)) == 5
        browser.filters.experiment.value = "matching_throughput"
        browser.filters.since.value = date(2026, 11, 20)
        browser.filters.verdict.value = "stable"
        assert len(listed(browser)) == 2
        browser.filters.text.value = "nothing like it"
        assert listed(browser) == []
        assert "no result fits: press Show all" in browser.list.empty.value
        browser.filters.clear.click()
        assert len(listed(browser)) == 5

    def test_menus_count_what_there_is(self, opened):
        browser = opened()
        assert dict(browser.filters.experiment.options)["matching throughput (4)"]
        assert dict(browser.filters.machine.options)["Graviton 4 (1)"] == "ffff0000"
        assert dict(browser.filters.verdict.options)["failed (1)"] == "failed"

    def test_it_can_start_narrowed(self, opened):
        browser = opened(machine="graviton", experiment="matching_latency")
        assert browser.filters.machine.value == "ffff0000"
        assert len(listed(browser)) == 1
        with pytest.raises(InputError, match="0 results of core_to_core are saved"):
            opened(experiment="core_to_core")
        with pytest.raises(InputError, match="did you mean matching_latency"):
            opened(experiment="matching_latencies")
        with pytest.raises(InputError, match="POWER may be 0 machines"):
            opened(machine="POWER")

    def test_ticked_results_lie_over_each_other_the_newest_in_front(self, opened, saved):
        browser = opened()
        tick(browser, saved["old"], saved["new"], saved["shipped"])
        found = [saved["new"], saved["old"], saved["shipped"]]
        assert [run.path for run in browser.view.runs] == found
        assert "①" in browser.told.value
        assert "②" in browser.told.value

    def test_a_choice_survives_a_filter_that_hides_it(self, opened, saved):
        browser = opened()
        tick(browser, saved["old"], saved["new"])
        browser.filters.experiment.value = "matching_latency"
        assert len(browser.list.chosen) == 2
        assert browser.list.count.value == "2 chosen, 2 hidden"
        browser.list.none.click()
        assert browser.list.count.value == "none chosen"

    def test_a_tick_is_a_choice(self, opened, saved):
        browser = opened()
        browser.list.ticks[0].value = True
        assert [entry.path for entry in browser.list.chosen] == [saved["other"]]
        browser.list.ticks[0].value = False
        assert browser.list.chosen == []

    def test_of_two_experiments_one_is_drawn_and_it_says_so(self, opened, saved):
        browser = opened()
        tick(browser, saved["other"], saved["new"], saved["old"])
        assert {run.experiment for run in browser.view.runs} == {"matching_latency"}
        assert "2 of other experiments: a figure is of one, a report of all" in browser.told.value
        browser.which.value = "matching_throughput"
        assert [run.path for run in browser.view.runs] == [saved["new"], saved["old"]]

    def test_two_are_compared_the_older_before_the_newer(self, opened, saved):
        browser = opened()
        tick(browser, saved["old"], saved["new"])
        assert browser.mode.layout.display == ""
        browser.mode.value = BESIDE
        assert "512 k/s" in browser.compared.value
        assert "1 M/s" in browser.compared.value
        assert browser.view.widget.layout.display == "none"
        browser.mode.value = FIGURE
        assert browser.compared.value == ""
        assert browser.view.widget.layout.display == ""

    def test_different_work_is_compared_as_the_question(self, opened, folders, throughput_result):
        browser = opened()
        wide = throughput_result(live_orders=100_000)
        wide.digest = "aaaa"
        for item in wide.measurements:
            item.digest = "aaaa"
        path = save(wide, folders["runs"])
        browser.refresh_button.click()
        tick(browser, path, next(e.path for e in browser.found if e.is_shipped))
        browser.mode.value = BESIDE
        assert "they did different work" in browser.compared.value
        assert "live orders" in browser.compared.value

    def test_three_cannot_be_compared(self, opened, saved):
        browser = opened()
        tick(browser, saved["old"], saved["new"], saved["failed"])
        assert browser.mode.layout.display == "none"

    def test_pages(self, opened, folders, throughput_result):
        browser = opened()
        for hour in range(ROWS):
            result = throughput_result({"binary_heap": 1e6})
            result.created = f"2026-11-24T{hour:02}:00:00Z"
            save(result, folders["runs"])
        browser.refresh_button.click()
        assert browser.list.place.value == f"1–{ROWS} of {ROWS + 5}"
        browser.list.older.click()
        assert browser.list.place.value == f"{ROWS + 1}–{ROWS + 5} of {ROWS + 5}"
        assert browser.list.older.disabled
        browser.list.ticks[0].value = True
        browser.list.newer.click()
        assert not any(row.value for row in browser.list.ticks)
        assert len(browser.list.chosen) == 1
        browser.list.all.click()
        assert len(browser.list.chosen) == ROWS + 5
        assert len(browser.view.runs) == 1  # the newest experiment's that is shown
        browser.which.value = "matching_throughput"
        assert len(browser.view.runs) == OVERLAID_MOST
        assert "older ones are not in the figure" in browser.told.value

    def test_markup_in_a_result_is_shown_and_not_obeyed(self, opened, folders, throughput_result):
        result = throughput_result({"binary_heap": 1e6})
        result.verdict.finding = "<img src=x onerror=alert(1)>"
        result.created = "2026-11-25T00:00:00Z"
        save(result, folders["runs"])
        browser = opened()
        assert "<img" not in listed(browser)[0]
        assert "&lt;img" in listed(browser)[0]


class TestDeleting:
    def test_it_takes_two_steps_and_can_be_undone(self, opened, saved):
        browser = opened()
        tick(browser, saved["old"], saved["new"])
        browser.delete_button.click()
        assert "Delete 2 results?" in browser.question.value
        assert browser.asking.layout.display == ""
        assert saved["new"].exists()
        browser.yes_button.click()
        assert not saved["new"].exists()
        assert len(listed(browser)) == 3
        assert "2 results deleted; Undo puts them back" in browser.done.value
        browser.undo_button.click()
        assert saved["new"].exists()
        assert {entry.path for entry in browser.list.chosen} == {saved["old"], saved["new"]}
        assert browser.undo_button.disabled

    def test_one_may_think_better_of_it(self, opened, saved):
        browser = opened()
        tick(browser, saved["new"])
        browser.delete_button.click()
        browser.no_button.click()
        assert browser.asking.layout.display == "none"
        assert saved["new"].exists()

    def test_shipped_results_stay_and_it_says_why(self, opened, saved):
        browser = opened()
        tick(browser, saved["shipped"])
        browser.delete_button.click()
        assert "git keeps shipped results" in browser.message.value
        tick(browser, saved["shipped"], saved["new"])
        browser.delete_button.click()
        assert "Delete 1 result?" in browser.question.value
        assert "1 came with the lab and stays" in browser.question.value
        browser.yes_button.click()
        assert saved["shipped"].exists()
        assert not saved["new"].exists()

    def test_a_question_is_withdrawn_when_the_choice_changes(self, opened, saved):
        browser = opened()
        tick(browser, saved["new"])
        browser.delete_button.click()
        tick(browser, saved["old"], saved["new"])
        assert browser.asking.layout.display == "none"

    def test_a_folder_that_cannot_be_written_is_named(self, opened, saved, monkeypatch):
        def refused(source, target):
            raise OSError(30, "Read-only file system")

        browser = opened()
        tick(browser, saved["new"])
        browser.delete_button.click()
        monkeypatch.setattr(trash.os, "rename", refused)
        browser.yes_button.click()
        assert "cannot be deleted (Read-only file system)" in browser.message.value
        assert saved["new"].exists()
        assert len(browser.list.chosen) == 1


class TestTrouble:
    @pytest.mark.parametrize("how", WHAT_IS_WRONG)
    def test_a_damaged_file_is_listed_with_its_reason_and_can_be_deleted(self, opened, saved, how):
        damage(saved["new"], how)
        browser = opened(verdict="unreadable")
        (row,) = listed(browser)
        assert "unreadable" in row
        assert WHAT_IS_WRONG[how] in row
        tick(browser, saved["new"])
        assert WHAT_IS_WRONG[how] in browser.message.value
        assert browser.export.button.disabled
        browser.delete_button.click()
        browser.yes_button.click()
        assert not saved["new"].exists()
        assert browser.message.value == ""

    def test_a_changed_number_is_never_drawn(self, opened, saved):
        damage(saved["new"], "number")
        browser = opened()
        tick(browser, saved["new"], saved["old"])
        assert [run.path for run in browser.view.runs] == [saved["old"]]
        assert "checksum differs" in browser.message.value
        assert dict(browser.filters.verdict.options)["unreadable (1)"]

    def test_a_file_that_vanished_meanwhile(self, opened, saved):
        browser = opened()
        saved["new"].unlink()
        tick(browser, saved["new"], saved["old"])
        assert [run.path for run in browser.view.runs] == [saved["old"]]
        assert "cannot be read" in browser.message.value
        assert len(listed(browser)) == 4

    def test_a_new_result_appears(self, opened, folders, throughput_result):
        browser = opened()
        save(throughput_result({"binary_heap": 1e6}), folders["runs"])
        browser.refresh_button.click()
        assert len(listed(browser)) == 6

    def test_no_results_at_all(self, folders):
        browser = Browser(None, [folders["runs"]], folders["shipped"])
        assert "no results yet: run a panel" in browser.list.empty.value
        assert browser.results == []
        assert browser.view.widget.layout.display == "none"
        assert browser.message.value == ""


class TestExport:
    def test_the_chosen_become_one_report_with_title_and_notes(self, opened, saved, folders):
        browser = opened()
        tick(browser, saved["other"], saved["new"], saved["old"])
        browser.export.title.value = "A & <b>B</b>"
        browser.export.notes.value = "seen on a Tuesday"
        browser.export.name.value = "both"
        browser.export.button.click()
        assert "both.html" in browser.export.said.value
        page = (folders["reports"] / "both.html").read_text()
        assert "A &amp; &lt;b&gt;B&lt;/b&gt;" in page
        assert "seen on a Tuesday" in page
        kept = json.loads((folders["reports"] / "both.json").read_text())["results"]
        assert sorted(result["created"][:10] for result in kept) == [
            "2026-11-20",
            "2026-11-22",
            "2026-11-23",
        ]

    def test_one_figure_is_the_one_that_is_shown(self, opened, saved, folders):
        browser = opened()
        tick(browser, saved["other"])
        browser.export.format.value = "svg"
        browser.export.button.click()
        (path,) = folders["reports"].glob("*.svg")
        assert b"<svg" in path.read_bytes()

    @pytest.mark.parametrize("name", ["../out", "a/b", ".."])
    def test_a_name_is_no_place(self, opened, saved, folders, name):
        browser = opened()
        tick(browser, saved["new"])
        browser.export.name.value = name
        browser.export.button.click()
        assert "leave out folders" in browser.export.said.value
        assert not folders["reports"].exists()

    def test_too_many_are_refused_by_number(self, opened, saved, folders):
        browser = opened()
        for number in range(REPORTED_MOST):
            shutil.copy(saved["new"], folders["runs"] / f"{number}.json")
        browser.refresh_button.click()
        browser.list.all.click()
        browser.export.button.click()
        assert f"tick {REPORTED_MOST} or fewer" in browser.export.said.value

    def test_a_folder_that_cannot_be_written_is_named(self, opened, saved, folders):
        folders["reports"].write_text("in the way")
        browser = opened()
        tick(browser, saved["new"])
        browser.export.button.click()
        assert "cannot be written" in browser.export.said.value
        assert not browser.export.button.disabled


def test_the_door_opens_a_browser_of_a_folder(folders, saved):
    browser = lab.browse("matching_throughput", folder=folders["runs"])
    assert len(listed(browser)) == 3
    tick(browser, saved["new"])
    browser.delete_button.click()
    browser.yes_button.click()
    assert (folders["runs"] / "trash" / saved["new"].name).exists()
