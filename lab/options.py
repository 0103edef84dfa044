"""``lab run`` and ``lab sweep``: options and help made from the experiment's parameters.

A model is built only for the experiment that is named (it loads pydantic, 0.2 s), so help stays
quick, and the first line of progress is out before anything heavy is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import groupby
from typing import TYPE_CHECKING, Any

import click

from lab.experiments import EXPERIMENTS, Experiment, experiment_named
from lab.measure.progress import reporter

if TYPE_CHECKING:
    from lab.experiments.parameters import Parameter

Run = Callable[[Experiment, dict[str, Any], Mapping[str, Any], Any], int]
_COMMON = "How it is run"
SYNTAX = (
    "Numbers: 1,2,5 · 1..9 · 100..1000:100 (a step) · 1000..1000000*10 (a factor; x10 is the same, "
    "for a shell that takes * for itself). The last value is left out where no step ends on it. "
    "Choices: balanced,calm. Switches: on,off. Lists and texts keep their commas: repeat the "
    "option for the next one (--engines native,textbook --engines native)."
)


class ExperimentCommand(click.Command):
    """One experiment as a command, its options read from its signature when they are needed."""

    def __init__(self, experiment: Experiment, run: Run, common: list[click.Option]) -> None:
        question = f"{experiment.question}\n\nMeasures {experiment.summary}."
        super().__init__(experiment.name, help=question, short_help=experiment.question)
        self._experiment, self._run, self._common = experiment, run, common
        self._controls: list[Parameter] | None = None

    @property
    def controls(self) -> list[Parameter]:
        """The experiment's parameters."""
        if self._controls is None:
            from lab.experiments.parameters import controls_of

            self._controls = controls_of(self._experiment.model())
        return self._controls

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the options: the experiment's own, the common ones, help."""
        own: list[click.Parameter] = [self.option(control) for control in self.controls]
        return [*own, *self._common, *super().get_params(ctx)]

    def option(self, control: Parameter) -> click.Option:
        """Return the option of one parameter."""
        return option_of(control)

    def described(self, control: Parameter) -> tuple[str, str]:
        """Return an option's name with what it takes, and its help."""
        return describe(control)

    def example(self) -> str:
        """Return a line that can be pasted."""
        changed = next((c for c in self.controls if c.kind == "int" and c.high), None)
        extra = (
            f" --{changed.name.replace('_', '-')} {_number(changed.default * 2)}" if changed else ""
        )
        return f"lab run {self.name}{extra} --json"

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Say that the run starts, then read the options."""
        ctx.obj = reporter()
        if not {"-h", "--help"} & set(args):
            ctx.obj("starting", 0, 0, "")
        try:
            return super().parse_args(ctx, args)
        except BaseException:
            ctx.obj.close()
            raise

    def invoke(self, ctx: click.Context) -> int:
        """Hand over what was given; what was not keeps its default."""
        ctx.call_on_close(ctx.obj.close)
        names = {control.name for control in self.controls}
        given = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in ctx.params.items()
            if name in names and value is not None and value != ()
        }
        common = {name: value for name, value in ctx.params.items() if name not in names}
        return self._run(self._experiment, given, common, ctx.obj)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the parameters under the headings of their groups, then the common options."""
        ordered = sorted(self.controls, key=lambda control: self._group_order(control.group))
        for group, controls in groupby(ordered, key=lambda control: control.group):
            with formatter.section(group):
                formatter.write_dl([self.described(control) for control in controls])
        rest = [*self._common, self.get_help_option(ctx)]
        records = [option.get_help_record(ctx) for option in rest if option is not None]
        with formatter.section(_COMMON):
            formatter.write_dl([record for record in records if record])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write an example that can be pasted."""
        with formatter.section("Example"):
            formatter.write_text(self.example())

    def _group_order(self, group: str) -> int:
        """Return where a group stands: as the signature first names it."""
        groups = list(dict.fromkeys(control.group for control in self.controls))
        return groups.index(group)


class SweepCommand(ExperimentCommand):
    """One experiment as a command whose options take several values each."""

    def option(self, control: Parameter) -> click.Option:
        """Return the option of one parameter; a switch takes words here, so that it can vary."""
        flag = f"--{control.name.replace('_', '-')}"
        return click.Option([flag], multiple=True, metavar=_several(control))

    def described(self, control: Parameter) -> tuple[str, str]:
        """Return an option's name with what it takes, and its help."""
        _, text = describe(control)
        return f"--{control.name.replace('_', '-')} {_several(control)}", text

    def example(self) -> str:
        """Return a line that can be pasted."""
        axes = [c for c in self.controls if c.kind == "int" and c.scale == "log" and c.high]
        words = "".join(
            f" --{control.name.replace('_', '-')} {_number(control.default)},"
            f"{_number(control.default * 2)}"
            for control in axes[:1]
        )
        return f"lab sweep {self.name}{words} --list"


class Experiments(click.Group):
    """The group ``lab run``: one command an experiment of the registry.

    Parameters
    ----------
    run
        Called as ``run(experiment, parameters, common, report)`` with the parameters that were
        given, as texts, the values of ``common``, and whom to tell how far it is.
    common
        Options that every experiment has besides its own.
    """

    command_class: type[ExperimentCommand] = ExperimentCommand

    def __init__(self, run: Run, common: list[click.Option], **settings: Any) -> None:
        super().__init__(**settings)
        self._run, self._common = run, common

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the registry, in its order."""
        return list(EXPERIMENTS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command:
        """Return the command of one experiment; an unknown name says which is meant."""
        return self.command_class(experiment_named(name), self._run, self._common)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each experiment with its question."""
        with formatter.section("Experiments"):
            formatter.write_dl([(entry.name, entry.question) for entry in EXPERIMENTS.values()])


class Sweeps(Experiments):
    """The group ``lab sweep``: each option takes several values."""

    command_class = SweepCommand


def option_of(control: Parameter) -> click.Option:
    """Return the click option of one parameter. Its value is checked by the model, not by click."""
    flag = f"--{control.name.replace('_', '-')}"
    if control.kind == "bool":
        return click.Option([f"{flag}/--no-{flag[2:]}"], default=None)
    return click.Option([flag], multiple=control.kind == "multi", metavar=_metavar(control))


def describe(control: Parameter) -> tuple[str, str]:
    """Return an option's name with what it takes, and its help with bounds, unit and default."""
    flag = f"--{control.name.replace('_', '-')}"
    head = f"{flag}/--no-{flag[2:]}" if control.kind == "bool" else f"{flag} {_metavar(control)}"
    facts = []
    if control.low is not None and control.high is not None:
        facts.append(f"{_number(control.low)} to {_number(control.high)} {control.unit}".strip())
    elif control.unit:
        facts.append(control.unit)
    if control.kind == "multi" and control.choices:
        facts.append(f"of {', '.join(control.choices)}; several with commas")
    facts.append(f"default {_shown(control.default)}")
    return head, f"{control.description}  [{'; '.join(facts)}]"


def _metavar(control: Parameter) -> str:
    """Return what stands for the value in the help."""
    if control.kind == "choice":
        return "|".join(control.choices)
    return {"int": "N", "float": "X", "multi": "NAME,…"}.get(control.kind, "TEXT")


def _several(control: Parameter) -> str:
    """Return what stands for a parameter's values in the help of a sweep."""
    if control.kind in ("int", "float"):
        return "VALUES"
    return {"choice": "A,B", "bool": "on,off", "multi": "NAME,…"}.get(control.kind, "TEXT")


def _number(bound: float) -> str:
    """Write a bound with thousands apart, in a form that can also be typed."""
    return f"{bound:_}" if isinstance(bound, int) else f"{bound:.10g}"


def _shown(default: Any) -> str:
    """Write a default as it would be typed."""
    if isinstance(default, list | tuple):
        return ",".join(str(item) for item in default)
    if isinstance(default, bool):
        return "on" if default else "off"
    if isinstance(default, int | float):
        return _number(default)
    return str(default) if default != "" else "none"
