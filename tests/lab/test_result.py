"""The result file: whole or not at all, refused when damaged, readable without this project."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap

import pytest
from pydantic import ValidationError

from engines.errors import FileError
from lab import tables
from lab.measure import result as module
from lab.measure.result import (
    Code,
    Comparison,
    Measurement,
    Result,
    Verdict,
    load,
    results,
    save,
    summary,
)


def measurement(**changes) -> Measurement:
    values = dict(
        rival="price_ladder",
        case="all",
        metric="service_time",
        unit="ns",
        median=40.0,
        low=38.5,
        high=42.0,
        coverage=0.75,
        runs=3,
        digest="0123456789abcdef",
        digest_ok=True,
        values=[38.5, 40.0, 42.0],
        quantiles={"50": 40.0, "99": 90.0, "max": 12_000.0},
        histogram="SGlzdG9ncmFt",
        samples=3_000,
    )
    return Measurement(**(values | changes))


def made(**changes) -> Result:
    values = dict(
        experiment="matching_latency",
        question="Which is the fastest?",
        parameters={"flow": "balanced", "engines": ["price_ladder"]},
        size="smoke",
        created="2026-11-23T05:00:00Z",
        seconds=1.5,
        code=Code(version="0.1.0", commit=None, dirty=False),
        machine={"name": "AMD EPYC, 2 CPUs, KVM"},
        clocks={"compiled": {"floor_ns": 10.0}},
        verdict=Verdict(stable=True, reason="", remedy="", finding="it takes <40 ns"),
        measurements=[measurement()],
        comparisons=[
            Comparison(
                rival="price_ladder",
                baseline="price_ladder",
                case="all",
                metric="service_time",
                ratio=1.0,
                low=0.9,
                high=1.1,
                noise_low=0.9,
                noise_high=1.1,
                words="against itself",
                clear=False,
            )
        ],
        digest="0123456789abcdef",
    )
    return Result(**(values | changes))


def test_a_result_comes_back_as_it_went(tmp_path):
    before = made()
    path = save(before, tmp_path)
    after = load(path)
    assert after == before
    assert after.path == before.path == path
    assert path.name.startswith("20261123T050000Z_matching_latency_")
    assert len(list(tmp_path.iterdir())) == 1


def test_the_file_is_plain_json_that_names_its_version(tmp_path):
    content = json.loads(save(made(), tmp_path).read_text())
    assert content["schema_version"] == 3
    assert content["measurements"][0]["quantiles"]["99"] == 90.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not JSON"),
        ('{"schema_version": 1, "experiment": "x', "is not JSON"),
        ("[1, 2]", "has no schema_version"),
        ("{}", "has no schema_version"),
        ('{"schema_version": 4}', "has schema version 4, this program reads 3; update it"),
        ('{"schema_version": "x"}', "has schema version x"),
        ('{"schema_version": 1}', "experiment: is not a result"),
        ("\x00\xff\xfe", "is not JSON"),
    ],
)
def test_a_damaged_file_is_refused_by_name(tmp_path, text, message):
    path = tmp_path / "some.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(FileError, match=message) as caught:
        load(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_wrong_field_is_named(tmp_path):
    path = save(made(), tmp_path)
    content = json.loads(path.read_text())
    content["measurements"][0]["median"] = "fast"
    path.write_text(json.dumps(content))
    with pytest.raises(FileError, match=r"measurements\.0\.median"):
        load(path)


def test_a_changed_number_is_refused_and_a_new_indent_is_not(tmp_path):
    path = save(made(), tmp_path)
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content, indent=4))
    assert load(path).checksum == content["checksum"]
    content["measurements"][0]["median"] = 4.0
    path.write_text(json.dumps(content))
    with pytest.raises(FileError, match=r"was changed after it was written \(checksum differs\)"):
        load(path)


def test_the_checksum_is_what_the_data_readme_says(tmp_path):
    path = save(made(), tmp_path)
    readme = (module.CHECKOUT / "data" / "README.md").read_text()
    block = re.search(r"\n( +import hashlib, json\n(?: {4}.*\n)+)", readme)
    program = textwrap.dedent(block.group(1)).replace("result.json", str(path))
    exec(program, {})
    path.write_text(path.read_text().replace("price_ladder", "price_ladler"))
    with pytest.raises(AssertionError):
        exec(program, {})


def test_a_file_from_before_checksums_says_so(tmp_path):
    path = save(made(), tmp_path)
    content = json.loads(path.read_text())
    del content["checksum"]
    path.write_text(json.dumps(content))
    assert load(path).notes == [module.NO_CHECKSUM]


def test_a_missing_file_is_an_error_of_the_tree(tmp_path):
    with pytest.raises(FileError, match="cannot be read"):
        load(tmp_path / "none.json")


def test_a_number_that_is_none_cannot_be_stored():
    with pytest.raises(ValidationError):
        measurement(median=float("nan"))


def test_results_come_newest_first_and_a_damaged_one_is_named(tmp_path):
    save(made(created="2026-11-23T05:00:00Z"), tmp_path)
    save(made(created="2026-11-23T06:00:00Z"), tmp_path)
    save(made(experiment="matching_throughput"), tmp_path)
    (tmp_path / "20261123T070000Z_matching_latency_0000.json").write_text("{")
    with pytest.warns(UserWarning, match="left out 1 of 3 files: .*0000.json"):
        found = results(tmp_path, "matching_latency")
    assert [item.created for item in found] == ["2026-11-23T06:00:00Z", "2026-11-23T05:00:00Z"]


def test_a_full_disk_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(descriptor: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(module.os, "fsync", full)
    with pytest.raises(FileError, match="No space left on device"):
        save(made(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_save_clears_what_a_killed_one_left_and_nothing_else(tmp_path):
    left = tmp_path / ".20261123T050000Z_matching_latency_0a1b.json.4242.part"
    other = tmp_path / ".somebody_elses.part"
    fresh = tmp_path / ".20261123T050001Z_matching_latency_0a1b.json.4243.part"
    for path in (left, other, fresh):
        path.write_text("{")
    for path in (left, other):
        os.utime(path, (0, 0))
    saved = save(made(), tmp_path)
    assert set(tmp_path.iterdir()) == {saved, other, fresh}


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="cannot be written"):
        save(made(), tmp_path / "file")


def test_a_folder_is_tried_before_a_run_and_left_as_it_was(tmp_path):
    module.check_folder(tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="cannot be written"):
        module.check_folder(tmp_path / "file")


def test_rows_are_flat(tmp_path):
    row = made().rows()[0]
    assert row["rival"] == "price_ladder" and row["p99"] == 90.0 and row["max"] == 12_000.0
    assert not any(isinstance(value, dict | list) for value in row.values())


def test_what_a_notebook_shows_is_escaped_and_says_what_is_void():
    shown = made(measurements=[measurement(digest_ok=False)])._repr_html_()
    assert "it takes &lt;40 ns" in shown
    assert "wrong: void" in shown
    assert "AMD EPYC" in shown and "lab run matching_latency --flow balanced" in shown


def test_an_interval_of_less_than_95_per_cent_says_so():
    assert "38.5 ns to 42 ns (75 %)" in made()._repr_html_()
    sound = made(measurements=[measurement(coverage=0.96875)])._repr_html_()
    assert "38.5 ns to 42 ns</td>" in sound
    assert "(75\u00a0%)" in tables.measurements(made())[0].rows[0][3]


def test_a_file_without_coverage_can_be_read(tmp_path):
    path = save(made(), tmp_path)
    content = json.loads(path.read_text())
    del content["measurements"][0]["coverage"], content["checksum"]
    path.write_text(json.dumps(content))
    found = load(path).measurements[0]
    assert found.coverage is None and found.coverage_text() == ""


def test_the_summary_is_json_without_histograms(tmp_path):
    result = made()
    save(result, tmp_path)
    content = json.loads(json.dumps(summary(result)))
    assert content["path"] == str(result.path)
    assert "histogram" not in content["measurements"][0]
    assert content["measurements"][0]["digest_ok"] is True


def test_reading_results_loads_no_compiler():
    program = (
        "import sys, lab.measure.result, lab.measure.histogram, lab.measure.job\n"
        "assert 'numba' not in sys.modules and 'matplotlib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
