"""What is shipped measured: there, small, right, and what the README says of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from engines.errors import FileError, InputError
from engines.matching import IMPLEMENTATIONS
from lab import readme, shipped
from lab.experiments import experiment_named
from lab.measure.result import SHIPPED, Comparison, load, results, save

BYTES_MAX = 3_200_000


def test_every_order_is_there_with_right_digests() -> None:
    for order in shipped.ORDERS:
        result = shipped.shipped(order.experiment, **order.changes)
        assert all(measurement.digest_ok for measurement in result.measurements)
        assert set(result.parameters.get("engines", ())) <= set(IMPLEMENTATIONS)


def test_every_order_can_be_run() -> None:
    """Its parameters are right at the full size, and how long it takes can be said."""
    for order in shipped.ORDERS:
        experiment = experiment_named(order.experiment)
        values = experiment.parameters(order.parameters(), "full")
        # The lab's check of itself is four hundred comparisons.
        most_s = 3_600 if order.experiment == "self_check" else 900
        assert 0 < experiment.estimate_seconds(values) < most_s, order
        assert values["rounds"] >= 3  # six processes of each engine and case


def test_all_of_it_is_small() -> None:
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) < BYTES_MAX


def test_what_is_not_shipped_is_named() -> None:
    with pytest.raises(InputError, match=r"matching_latency with \{'seed': 77\} is not shipped"):
        shipped.shipped("matching_latency", seed=77)


def test_the_readme_has_the_numbers_of_the_shipped_results() -> None:
    text = readme.README.read_text(encoding="utf-8")
    assert readme.with_numbers(text) == text
    assert results(SHIPPED, "matching_latency")[0].machine["name"] in text


def test_measuring_replaces_what_was_shipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = shipped.Order("matching_throughput", {"engines": ["price_ladder"]})
    monkeypatch.setattr(shipped, "ORDERS", (order,))
    monkeypatch.setattr(shipped, "SHIPPED", tmp_path)
    (tmp_path / "before.json").write_text("{}")
    (tmp_path / "picture.png").write_bytes(b"")
    shipped.measure("smoke")
    (new,) = tmp_path.glob("*.json")
    assert load(new).parameters["engines"] == ["price_ladder"]
    assert (tmp_path / "picture.png").exists()


def test_a_tagged_cell_without_a_figure_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="has no figure in a cell shipped-figure"):
        shipped._figures_of(["1 + 1"], tmp_path / "some.ipynb")


def test_an_order_alone_replaces_its_own_result_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, throughput_result, latency_result
) -> None:
    other, own = (
        save(latency_result(), tmp_path),
        save(throughput_result(live_orders=500), tmp_path),
    )
    changes = dict(live_orders=500)
    orders = (
        shipped.Order("matching_latency"),
        shipped.Order("matching_throughput", changes, "compiled"),
    )
    monkeypatch.setattr(shipped, "ORDERS", orders)
    monkeypatch.setattr(shipped, "SHIPPED", tmp_path)
    shipped.measure("smoke", chosen=[2])
    assert other.exists() and not own.exists()
    assert len(list(tmp_path.glob("*.json"))) == 2


def test_the_oracle_is_asked_beforehand_and_nothing_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    small = dict(messages=100, live_orders=100, engines=["price_ladder"])
    monkeypatch.setattr(shipped, "ORDERS", (shipped.Order("matching_throughput", small),))
    monkeypatch.setattr(
        "lab.experiments.matching_flow.answer_for",
        lambda flow, ask: asked.append(len(flow.commands)) or {"digest": "5f1d", "events": 1},
    )
    monkeypatch.setattr("lab.measure.runner.Bench.run", lambda *_: pytest.fail("it measured"))
    shipped.ask_oracle()
    assert asked == [100]


def test_ratios_are_of_the_pairs_named_with_their_intervals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, throughput_result, scaling_result
) -> None:
    rates = {"binary_heap": 5e5, "price_ladder": 1.5e7, "native": 2e7, "textbook": 5e6}
    run = throughput_result(rates=rates, messages=shipped.LARGE)
    pairs = {("native", "binary_heap"): 40.0, ("native", "price_ladder"): 1.25}
    run.comparisons = [
        _comparison(rival, baseline, "balanced", ratio)
        for (rival, baseline), ratio in (pairs | {("textbook", "native"): 0.25}).items()
    ]
    run.notes = ["Pinned: each to one."]
    monkeypatch.setattr(shipped, "SHIPPED", tmp_path)
    save(run, tmp_path)
    sizes = scaling_result()
    sizes.notes = ["Pinned: each to one."]
    save(sizes, tmp_path)
    lines = readme._ratios()
    balanced, *others = [line for line in lines if line.startswith("| balanced, ")]
    assert balanced.split(" | ")[1:] == [
        "20 M (19.4 M to 20.4 M)",
        "4.0 (3.8 to 4.2): faster",
        "40 (38 to 42): faster",
        "0.80 (0.76 to 0.84): slower |",
    ]
    titles = [line.split(" | ")[0] for line in others]
    assert titles[1].startswith("| balanced, 10,000 live orders")
    assert "Each process was pinned to one CPU." in lines[-1]


def _comparison(rival: str, baseline: str, case: str, ratio: float) -> Comparison:
    return Comparison(
        rival=rival,
        baseline=baseline,
        case=case,
        metric="throughput",
        ratio=ratio,
        low=ratio / 1.05,
        high=ratio * 1.05,
        noise_low=0.98,
        noise_high=1.02,
        words="",
        clear=True,
    )
