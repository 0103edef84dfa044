"""The results browser's filters: experiment, machine, verdict, days, words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date

import ipywidgets as widgets

from engines.errors import InputError
from lab.experiments import experiment_named
from lab.measure.index import STATES, Entry, Wanted, machines

_WIDE = {"width": "auto", "min_width": "0"}
_STYLE = {"description_width": "76px"}


class Filters:
    """What the list is narrowed to; what is left as it is leaves nothing out.

    Parameters
    ----------
    wanted
        Where they start.
    found
        Every entry there is.

    Raises
    ------
    InputError
        There is no such experiment, or no such machine among the results.
    """

    def __init__(self, wanted: Wanted, found: Sequence[Entry]) -> None:
        self._is_offering = False
        self._make_parts(wanted)
        self.offer(found)
        self.experiment.value = _known_experiment(wanted.experiment, found)
        self.machine.value = _known_machine(wanted.machine, found)
        self.verdict.value = wanted.verdict

    def _make_parts(self, wanted: Wanted) -> None:
        self.experiment = _menu("experiment", "Results of one experiment, or of all")
        self.machine = _menu("machine", "Results of one machine, or of all")
        self.verdict = _menu("verdict", "Unreadable files are damaged, or from a newer version")
        self.since = _day("from", "The first day, UTC", wanted.since)
        self.until = _day("to", "The last day, UTC", wanted.until)
        self.text = widgets.Text(
            value=wanted.text,
            description="words",
            placeholder="in finding, settings, commit …",
            tooltip="Words that all stand somewhere in what is told of a result",
            style=_STYLE,
            layout=widgets.Layout(**_WIDE),
        )
        self.clear = widgets.Button(
            description="Show all",
            tooltip="Take every filter away",
            layout=widgets.Layout(flex="1 1 auto", width="auto", min_width="0"),
        )
        self.clear.on_click(self._on_clear)
        self.widget = widgets.VBox([*self._controls()])

    @property
    def wanted(self) -> Wanted:
        """The filters as they stand."""
        return Wanted(
            self.experiment.value or "",
            self.machine.value or "",
            _written(self.since.value),
            _written(self.until.value),
            self.verdict.value or "",
            self.text.value,
        )

    def offer(self, found: Sequence[Entry]) -> None:
        """Have the menus name what there is, with how many of each."""
        self._is_offering = True
        try:
            names = Counter(entry.experiment for entry in found)
            ids = Counter(entry.machine_id for entry in found)
            states = Counter(entry.state for entry in found)
            _refill(
                self.experiment,
                "every experiment",
                [(name.replace("_", " "), name, names[name]) for name in sorted(names)],
            )
            named = machines(found)
            _refill(
                self.machine,
                "every machine",
                [(_told_apart(key, named), key, ids[key]) for key in named],
            )
            _refill(
                self.verdict, "every verdict", [(state, state, states[state]) for state in STATES]
            )
        finally:
            self._is_offering = False

    def observe(self, changed: Callable[[], None]) -> None:
        """Have a function called after each change that a person makes."""

        def heard(_: object) -> None:
            if not self._is_offering:
                changed()

        for control in self._controls():
            control.observe(heard, names="value")

    def _controls(self) -> tuple[widgets.Widget, ...]:
        return self.experiment, self.machine, self.verdict, self.since, self.until, self.text

    def _on_clear(self, _: widgets.Button) -> None:
        for control in self._controls():
            control.value = None if control in (self.since, self.until) else ""


def _known_experiment(name: str, found: Sequence[Entry]) -> str:
    """Return an experiment's name; results of one that is no more can be looked at as well."""
    if name and name not in {entry.experiment for entry in found}:
        experiment_named(name)
        raise InputError(f"0 results of {name} are saved; run it first: lab run {name}")
    return name


def _known_machine(word: str, found: Sequence[Entry]) -> str:
    """Return the id of the machine that a word means."""
    known = machines(found)
    ids = [key for key, name in known.items() if word == key or word.lower() in name.lower()]
    if not word or word in known:
        return word
    if len(ids) != 1:
        told = ", ".join(f"{key} ({name})" for key, name in known.items())
        raise InputError(f"{word} may be {len(ids)} machines; name one by its id: {told or 'none'}")
    return ids[0]


def _told_apart(key: str, named: dict[str, str]) -> str:
    """Return a machine's name, with its id where another has the same name."""
    is_alone = list(named.values()).count(named[key]) == 1
    return named[key] if is_alone else f"{named[key]} {key}"


def _refill(menu: widgets.Dropdown, every: str, items: list[tuple[str, str, int]]) -> None:
    """Set a menu's lines and keep what is chosen, though nothing may be left of it."""
    chosen = menu.value or ""
    total = sum(count for _, _, count in items)
    lines = [(f"{every} ({total:,})", "")]
    lines += [(f"{words} ({count:,})", value) for words, value, count in items]
    if chosen and chosen not in {value for _, value in lines}:
        lines.append((f"{chosen} (0)", chosen))
    if list(menu.options) != lines:
        menu.options = lines
        menu.value = chosen


def _menu(name: str, tooltip: str) -> widgets.Dropdown:
    return widgets.Dropdown(
        options=[("", "")],
        description=name,
        tooltip=tooltip,
        style=_STYLE,
        layout=widgets.Layout(**_WIDE),
    )


def _day(name: str, tooltip: str, start: str) -> widgets.DatePicker:
    return widgets.DatePicker(
        value=date.fromisoformat(start) if start else None,
        description=name,
        tooltip=tooltip,
        style=_STYLE,
        layout=widgets.Layout(**_WIDE),
    )


def _written(day: date | None) -> str:
    return day.isoformat() if day else ""
