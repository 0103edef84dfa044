"""What ``lab sweep`` prints: the plan before it starts, and what its points have shown."""

from __future__ import annotations

from typing import Any

from lab.experiments import Experiment
from lab.measure.claims import interesting
from lab.measure.sweep import FALSE_DISCOVERIES, FOUND_HEAD, Sweep, cells
from lab.terminal import table
from lab.units import quantity, seconds


def plan_dict(sweep: Sweep, experiment: Experiment) -> dict[str, Any]:
    """Return what ``lab sweep --list --json`` prints."""
    names = sweep.plan.varied
    points: list[dict[str, Any]] = [
        {
            "varied": {name: point.parameters[name] for name in names},
            "state": point.state,
            "estimate_s": round(experiment.estimate_seconds(point.parameters), 1),
            "parameters": point.parameters,
        }
        for point in sweep.points
    ]
    left = sum(point["estimate_s"] for point in points if point["state"] != "measured")
    return {
        "experiment": experiment.name,
        "folder": str(sweep.folder),
        "varied": names,
        "points": points,
        "estimate_s": round(left, 1),
    }


def plan_text(sweep: Sweep, experiment: Experiment) -> str:
    """Return the points of a sweep, which of them are measured, and how long the rest takes."""
    content = plan_dict(sweep, experiment)
    rows = [
        (str(number), point.name, point.state, seconds(row["estimate_s"]))
        for number, (point, row) in enumerate(
            zip(sweep.points, content["points"], strict=True), start=1
        )
    ]
    done = f"{len(sweep.results)} of {len(sweep.points)} points are measured"
    left = f"the rest takes about {seconds(content['estimate_s'])}" if content["estimate_s"] else ""
    return "\n\n".join(
        (
            table(("", "point", "state", "about"), rows, right=(0,)),
            "; ".join(filter(None, (done, left))) + f"\nfolder  {sweep.folder}",
        )
    )


def sweep_text(sweep: Sweep) -> str:
    """Return what a sweep has found: numbers, comparisons, failures, where it is."""
    shown = {id(pair) for result in sweep.results for pair in interesting(result)}
    every = sweep.found()
    found = [cells(sweep, item) for item in every if id(item.comparison) in shown]
    clear = sum(item.clear for item in every)
    share = f"{100 * FALSE_DISCOVERIES:.0f} %"
    parts = [
        table(("point", "rival", "case", "metric", "median", "interval", ""), _numbers(sweep)),
        table(FOUND_HEAD, found) if found else "",
        f"{clear} of {len(every)} comparisons are clear; q is the share of false ones among those "
        f"as clear, at most {share} of what is named here"
        if any(item.q_value is not None for item in every)
        else "",
        "\n".join(f"beware  {note}" for note in sweep.notes),
        "\n".join(f"failed  {point.name}: {point.error}" for point in sweep.failed),
        f"{len(sweep.results)} of {len(sweep.points)} points measured\nfolder  {sweep.folder}",
    ]
    return "\n\n".join(part for part in parts if part)


def _numbers(sweep: Sweep) -> list[tuple[str, ...]]:
    """Return each rival's number at each point, on the case that the experiment puts first."""
    rows: list[tuple[str, ...]] = []
    for point in sweep.points:
        measured = point.result.measurements if point.result else []
        first = measured[0] if measured else None
        for item in measured:
            if first and (item.metric == first.metric and item.case == first.case):
                low, high = quantity(item.low, item.unit), quantity(item.high, item.unit)
                rows.append(
                    (
                        point.name,
                        item.rival,
                        item.case,
                        item.metric.replace("_", " "),
                        quantity(item.median, item.unit),
                        f"{low} to {high}{item.coverage_text()}",
                        "" if item.digest_ok else "WRONG: void",
                    )
                )
    return rows
