"""The command ``lab``: what a person types in a terminal, and what they put in scripts.

With ``--json`` a command prints one JSON object on standard output and nothing else; progress goes
to standard error. It leaves with 0 when it did what was asked, 1 when a check that it was asked to
make failed, 2 when it was called wrongly, 130 when it was interrupted.

Heavy modules are imported inside the commands: help is there in a tenth of a second.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click

from engines.errors import ExchangeLabError, InputError, MeasurementError, MissingEngine
from lab.experiments import EXPERIMENTS, Experiment
from lab.options import SYNTAX, Experiments, Sweeps
from lab.reports.command import report
from lab.terminal import print_json, table

CHECK_FAILED, WRONG_CALL, INTERRUPTED = 1, 2, 130
_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class OneLineErrors(click.Group):
    """A group that says what went wrong in one line and leaves with the code that it means."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command line; as a program, leave with its exit code."""
        # One name for `lab` and `python -m lab`, or messages would name what was not typed.
        run = partial(super().main, args, prog_name or "lab", complete_var, False, **extra)
        if not standalone_mode:
            return run()
        code = _exit_code(run)
        if code == INTERRUPTED and args is None:
            # All is tidied up, and taking Numba down costs 0.4 s that somebody waits for.
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        sys.exit(code)


def _exit_code(run: Callable[[], Any]) -> int:
    """Run a command line and return its exit code."""
    try:
        outcome = run()
        sys.stdout.flush()
        return outcome if isinstance(outcome, int) else 0
    except (KeyboardInterrupt, click.Abort):
        return _complain("interrupted; nothing was written", INTERRUPTED)
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.format_message(), file=sys.stderr)
        return WRONG_CALL
    except click.UsageError as error:
        return _complain(_usage(error), WRONG_CALL)
    except click.ClickException as error:
        return _complain(error.format_message(), WRONG_CALL)
    except MeasurementError as error:
        return _complain(str(error), CHECK_FAILED)
    except ExchangeLabError as error:
        return _complain(str(error), WRONG_CALL)
    except BrokenPipeError:
        # The reader (head, less) has seen enough. Python would complain again as it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CHECK_FAILED


def _complain(message: str, code: int) -> int:
    """Write one line on standard error."""
    line = " ".join(message.split())
    print(f"lab: {line}", file=sys.stderr)
    return code


def _usage(error: click.UsageError) -> str:
    """Return click's message as a fact with the command that tells more."""
    message = error.format_message().rstrip(".")
    where = error.ctx.command_path if error.ctx else "lab"
    return f"{message[:1].lower()}{message[1:]}; see {where} --help"


_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group(cls=OneLineErrors, context_settings=_CONTEXT)
def main() -> None:
    """A performance lab for the core of an exchange.

    \b
    lab open                                  the notebooks, in JupyterLab
    lab list                                  what can be measured
    lab probe                                 this machine, and what limits a measurement on it
    lab run matching_latency                  measure, with the defaults
    lab replay FILE --format lobster --check  a recorded day through the engines
    lab sweep matching_latency --rounds 3..9  every point of a grid; interrupted, it goes on
    lab compare HEAD~3 HEAD                   what changed, held against how runs differ
    lab history matching_throughput           one experiment over time, and where it changed
    lab report RESULT.json                    a page that someone else can trust and repeat

    What people put in scripts holds: --json prints one JSON object; the exit code is 0 when all
    went well, 1 when a check failed, 2 for a wrong call, 130 when interrupted.
    """
    from lab.hardware.settings import give_back_what_was_left

    for line in give_back_what_was_left():
        print(f"lab: {line}", file=sys.stderr)


@main.command("open", short_help="Open JupyterLab on a notebook.")
@click.argument("notebook", required=False, type=click.Path())
@click.option("--port", default=8888, show_default=True, help="First port to try.")
@click.option("--no-browser", is_flag=True, help="Only print the address.")
def open_(notebook: str | None, port: int, no_browser: bool) -> None:
    """Open JupyterLab on NOTEBOOK (default: notebooks/00_start_here.ipynb).

    \b
    Example
      lab open notebooks/04_matching_engines.ipynb
    """
    from lab.jupyter.launch import open_lab

    open_lab(notebook, port, browser=not no_browser)


@main.command("list", short_help="List what can be measured: experiments, engines, flows.")
@_json
def list_(as_json: bool) -> None:
    """List the experiments, the engines, the order flows and the formats of recorded days.

    \b
    Example
      lab list --json
    """
    from engines.matching import IMPLEMENTATIONS
    from lab.workloads.day import FORMATS
    from lab.workloads.order_flow import FLOWS

    if as_json:
        print_json(
            {
                "experiments": [
                    {"name": e.name, "question": e.question, "summary": e.summary, "room": e.room}
                    for e in EXPERIMENTS.values()
                ],
                "engines": [_engine(entry) for entry in IMPLEMENTATIONS.values()],
                "flows": [{"name": f.name, "summary": f.summary} for f in FLOWS.values()],
                "formats": [{"name": f.name, "summary": f.summary} for f in FORMATS.values()],
            }
        )
        return
    print(table(("experiment", "question"), [(e.name, e.question) for e in EXPERIMENTS.values()]))
    print()
    engines = [(e.name, e.add, e.cancel, e.best, e.summary) for e in IMPLEMENTATIONS.values()]
    print(table(("engine", "add", "cancel", "next best", "what it is"), engines))
    for missing in filter(None, (e.missing for e in IMPLEMENTATIONS.values())):
        print(missing)
    print()
    print(
        table(("order flow", "what it is"), [(flow.name, flow.summary) for flow in FLOWS.values()])
    )
    print()
    print(table(("day from", "what it is"), [(f.name, f.summary) for f in FORMATS.values()]))
    print("\nlab run EXPERIMENT --help shows what can be set")


def _engine(entry: Any) -> dict[str, Any]:
    """Return one line of an engine registry as JSON holds it."""
    return {
        "name": entry.name,
        "summary": entry.summary,
        "add": entry.add,
        "cancel": entry.cancel,
        "best": entry.best,
        "features": sorted(entry.features),
        "missing": entry.missing,
    }


@main.command(short_help="Show the machine and what limits a measurement on it.")
@click.option(
    "--root",
    default="/",
    show_default=True,
    type=click.Path(exists=True, file_okay=False),
    help="A folder that holds a machine's sys and proc.",
)
@click.option(
    "--fix",
    multiple=True,
    metavar="TITLE",
    help="Change what the doctor warns of under this title, or all but hardware threads and clock; "
    "may be given again.",
)
@click.option("--undo", is_flag=True, help="Give back what --fix changed.")
@click.option(
    "--placement", is_flag=True, help="Check that memory lies where it is asked to, page by page."
)
@_json
def probe(root: str, fix: tuple[str, ...], undo: bool, placement: bool, as_json: bool) -> int:
    """Show the machine, and what limits a measurement on it.

    Nothing is changed, unless --fix asks for it; each change is said, written down before it is
    made, and given back by --undo.

    \b
    Example
      lab probe --json
      lab probe --root copy_of_another_machine
      sudo lab probe --fix "frequency governor" --fix turbo
      sudo lab probe --undo
    """
    if sum((bool(fix), undo, placement)) > 1:
        raise click.UsageError("--fix, --undo and --placement are three questions; ask one")
    if fix or undo:
        return _mend(root, fix, as_json)
    if placement:
        from lab.placement_check import main as check_placement

        return check_placement(["--json"] if as_json else [])
    from lab.hardware.probe import probe as look

    seen = look(root)
    if as_json:
        print_json(seen)
    else:
        from lab.probe_summary import probe_text

        print(probe_text(seen))
    return 0


def _mend(root: str, titles: tuple[str, ...], as_json: bool) -> int:
    """Change what is asked for, or give it back; leaves with 1 where something was refused."""
    from lab.mending import mend, mended_text, undo, undone_text

    outcome: dict[str, Any] = mend(titles, root) if titles else undo()
    if as_json:
        print_json(outcome)
    else:
        print(mended_text(outcome) if titles else undone_text(outcome))
    return CHECK_FAILED if outcome.get("refused") or outcome.get("left") else 0


def _run(
    experiment: Experiment, given: dict[str, Any], common: Mapping[str, Any], report: Any
) -> int:
    """Run one experiment, save its result, show it."""
    from lab.measure.result import summary
    from lab.measure.runner import run_experiment
    from lab.summaries import result_text

    result = run_experiment(
        experiment.name,
        given,
        common["size"],
        report=report,
        folder=common["folder"],
        so_far=common["so_far"],
    )
    report.close()
    if common["as_json"]:
        print_json(summary(result))
    else:
        print(result_text(result))
    are_right = all(measurement.digest_ok for measurement in result.measurements)
    return 0 if are_right and not result.verdict.failed else CHECK_FAILED


def _folder(help_text: str) -> click.Option:
    return click.Option(["--folder"], type=click.Path(file_okay=False), help=help_text)


_SIZE = click.Option(
    ["--size"],
    type=click.Choice(["smoke", "full"]),
    help="smoke: seconds, as in the tests. full: minutes. Else the defaults.",
)
_JSON = click.Option(["--json", "as_json"], is_flag=True, help="Print one JSON object.")
# For panels: where to write after each round what was found up to there.
_SO_FAR = click.Option(["--so-far"], type=click.Path(dir_okay=False), hidden=True)

main.add_command(
    Experiments(
        run=_run,
        common=[
            _SIZE,
            _folder("Where the result is saved (default: data/results/runs)."),
            _JSON,
            _SO_FAR,
        ],
        name="run",
        help="Run EXPERIMENT in fresh processes and save its result.",
        subcommand_metavar="EXPERIMENT [OPTIONS]",
        epilog="lab run EXPERIMENT --help shows its parameters, with bounds and defaults.",
    )
)


def _sweep(
    experiment: Experiment, given: dict[str, Any], common: Mapping[str, Any], report: Any
) -> int:
    """Measure what is left of a grid's points, show all of them."""
    from lab.measure.grid import points_of
    from lab.measure.runner import run_experiment
    from lab.measure.sweep import opened, run
    from lab.measure.sweep_folder import planned
    from lab.sweep_text import plan_dict, plan_text, sweep_text

    plan = planned(experiment, points_of(experiment, given, common["size"]), common["size"])
    sweep = opened(plan, common["folder"], anew=common["anew"])
    if common["list_only"]:
        report.close()
        if common["as_json"]:
            print_json(plan_dict(sweep, experiment))
        else:
            print(plan_text(sweep, experiment))
        return 0

    def measure(point: dict[str, Any], folder: Path, told: Any) -> Any:
        return run_experiment(experiment, point, plan.size, told, folder)

    try:
        run(sweep, measure, report, anew=common["anew"])
    except KeyboardInterrupt:
        report.close()
        kept = f"{len(sweep.results)} of {len(sweep.points)} points are measured and kept"
        return _complain(f"interrupted; {kept}, the same command goes on", INTERRUPTED)
    report.close()
    if common["as_json"]:
        print_json(sweep.as_dict())
    else:
        print(sweep_text(sweep))
    is_void = any(not m.digest_ok for result in sweep.results for m in result.measurements)
    return CHECK_FAILED if sweep.failed or is_void else 0


main.add_command(
    Sweeps(
        run=_sweep,
        common=[
            click.Option(
                ["--list", "list_only"],
                is_flag=True,
                help="Only say which points there are, what is measured, and how long the rest is.",
            ),
            click.Option(
                ["--anew"], is_flag=True, help="Remove what the folder holds, measure all of it."
            ),
            _SIZE,
            _folder("Where plan and results lie (default: below data/results/sweeps)."),
            _JSON,
        ],
        name="sweep",
        help="Run EXPERIMENT at every point of a grid; interrupted, the same command goes on.\n\n"
        "Every option takes several values, and every combination of them is one run, which is "
        "saved before the next starts. A point that fails is named at the end, with the exit code "
        "1. Differences are named after false discoveries are held down over all points.\n\n"
        + SYNTAX
        + "\n\n\b\nExample\n  lab sweep matching_throughput --live-orders 1000..1000000*10",
        short_help="Run an experiment at every point of a grid.",
        subcommand_metavar="EXPERIMENT [OPTIONS]",
        epilog="lab sweep EXPERIMENT --help shows its parameters, with bounds and defaults.",
    )
)


@main.command(short_help="Run a recorded day through an engine and check its book.")
@click.argument("file", type=click.Path(exists=True))
@click.option(
    "--format",
    "form",
    required=True,
    metavar="NAME",
    help="Whose files they are, such as lobster; lab list shows all.",
)
@click.option(
    "--book",
    type=click.Path(exists=True, dir_okay=False),
    help="The recorded book, where it does not lie beside FILE under its usual name.",
)
@click.option("--engine", default="all", show_default=True, help="An engine of lab list, or all.")
@click.option("--check", is_flag=True, help="Hold the engine's book against the recorded book.")
@click.option(
    "--until-damage",
    is_flag=True,
    help="Where FILE is damaged or cut short, replay what stands before that.",
)
@click.option("--tick", type=int, help="ITCH: what a tick is, in units of 0.0001 (default: 1).")
@_json
def replay(
    file: str,
    form: str,
    book: str | None,
    engine: str,
    check: bool,
    until_damage: bool,
    tick: int | None,
    as_json: bool,
) -> int:
    """Run a recorded day through an engine, and check its book row by row.

    Formats without a book of their own (ITCH, DBN with none beside it) are checked against the
    book that their messages make, after each message.

    Leaves with 1 when a row differs, or when engines that should agree end with different books.

    \b
    Example
      lab replay mbo.csv --format databento --engine price_ladder --check
      lab replay S013020-v50.txt.gz --format itch --engine native
    """
    from engines.matching import present
    from lab.experiments.replay import replay_file
    from lab.measure.progress import reporter
    from lab.summaries import replay_text

    names = present() if engine == "all" else [_engine_named(engine)]
    report = reporter()
    try:
        replays = [
            replay_file(file, form, name, check, report, book, until_damage, tick) for name in names
        ]
    finally:
        report.close()
    for note in replays[0].notes:
        print(f"lab: {note}", file=sys.stderr)
    agree = len({outcome.digest for outcome in replays}) == 1
    passed = agree and all(outcome.passed for outcome in replays)
    if as_json:
        rows = [outcome.as_dict() for outcome in replays]
        print_json(
            rows[0] if engine != "all" else {"file": file, "passed": passed, "replays": rows}
        )
    else:
        print(replay_text(replays, check))
        if not agree:
            print("the engines end with different books: at least one of them is wrong")
    return 0 if passed else CHECK_FAILED


def _engine_named(name: str) -> str:
    """Return the name of an engine that there is and that can be made here."""
    from difflib import get_close_matches

    from engines.matching import IMPLEMENTATIONS

    if name in IMPLEMENTATIONS:
        if missing := IMPLEMENTATIONS[name].missing:
            raise MissingEngine(missing)
        return name
    near = get_close_matches(name, IMPLEMENTATIONS, n=1)
    remedy = f"did you mean {near[0]}?" if near else f"choose from {', '.join(IMPLEMENTATIONS)}"
    raise InputError(f"engine {name} is unknown; {remedy}")


@main.command(short_help="Show one experiment over time, and where it changed.")
@click.argument("experiment")
@click.option("--machine", help="Its id, or a part of its name (default: this one).")
@click.option("--rival", multiple=True, help="Only this one; may be given again.")
@click.option("--case", multiple=True, help="Only this one; may be given again.")
@click.option("--metric", multiple=True, help="Only this one, such as service_time_p99.")
@click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False),
    help="Where the results lie (default: all that are saved).",
)
@click.option(
    "--figure", type=click.Path(dir_okay=False), help="Draw it as well: a .png or .svg file."
)
@_json
def history(
    experiment: str,
    machine: str | None,
    rival: tuple[str, ...],
    case: tuple[str, ...],
    metric: tuple[str, ...],
    folder: str | None,
    figure: str | None,
    as_json: bool,
) -> None:
    """Show EXPERIMENT's results over time and commits on one machine, and where levels moved.

    Results go into one series only where they did the same work (the digest says so) with the same
    settings. A step is named with its date and commit, with false alarms held down over all series.

    \b
    Example
      lab history matching_throughput --rival native --figure native.png
    """
    from lab.history_text import history_text
    from lab.measure.history import history as over_time
    from lab.measure.sides import all_saved

    saved = all_saved(experiment, folder)
    found = over_time(
        experiment, machine=machine, rival=rival, case=case, metric=metric, saved=saved
    )
    if figure:
        from lab.plots.history import write_figure

        write_figure(found, figure)
    if as_json:
        print_json(found.as_dict() | {"figure": figure})
    else:
        print(history_text(found))


@main.command(short_help="Compare two results, commits or machines.")
@click.argument("before")
@click.argument("after")
@click.option("--experiment", help="Which, where both sides have results of several.")
@click.option(
    "--across",
    multiple=True,
    metavar="PARAMETER",
    help="A parameter that is to differ though it decides the work: the very question.",
)
@_json
def compare(
    before: str, after: str, experiment: str | None, across: tuple[str, ...], as_json: bool
) -> None:
    """Compare two results of one experiment: what differed, and what it changed.

    BEFORE and AFTER are each a result's file; a commit (seven digits or more, HEAD~3, a tag), which
    means its newest saved result and all that repeat it; or a machine (its id, or a part of its
    name), likewise. Runs are not interleaved, so a change is held against how saved runs of the
    same code differ; how rivals stand to each other is taken within the runs, and can be compared
    across machines too.

    Refused: other experiments; other work, unless --across says that this is the question; the
    same parameters with other digests; nothing valid in common; a result beside itself.

    \b
    Example
      lab compare monday.json tuesday.json
      lab compare HEAD~3 HEAD --experiment matching_throughput
      lab compare small.json large.json --across live-orders
    """
    from lab.comparison_text import comparison_text
    from lab.measure.comparison import compare as side_by_side
    from lab.measure.sides import all_saved, two_sides

    saved = all_saved(experiment)
    befores, afters = two_sides(before, after, experiment, saved)
    names = [name.replace("-", "_") for name in across]
    outcome = side_by_side(befores, afters, names, saved)
    if as_json:
        print_json(outcome.as_dict())
    else:
        print(comparison_text(outcome))


main.add_command(report)
