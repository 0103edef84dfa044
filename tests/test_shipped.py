"""What is shipped measured: there, small, right, and what the README says of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from engines.errors import FileError, InputError
from engines.matching import IMPLEMENTATIONS
from lab import shipped
from lab.measure.result import SHIPPED, load, results

BYTES_MAX = 1_000_000


def test_every_order_is_there_with_right_digests() -> None:
    for order in shipped.ORDERS:
        result = shipped.shipped(order.experiment, **order.changes)
        assert all(measurement.digest_ok for measurement in result.measurements)
        assert set(result.parameters["engines"]) <= set(IMPLEMENTATIONS)


def test_all_of_it_is_small() -> None:
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) < BYTES_MAX


def test_what_is_not_shipped_is_named() -> None:
    with pytest.raises(InputError, match=r"matching_latency with \{'seed': 77\} is not shipped"):
        shipped.shipped("matching_latency", seed=77)


def test_the_readme_has_the_numbers_of_the_shipped_results() -> None:
    readme = shipped.README.read_text(encoding="utf-8")
    assert shipped.with_numbers(readme) == readme
    assert results(SHIPPED, "matching_latency")[0].machine["name"] in readme


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
