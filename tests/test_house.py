"""The rules of the house that a machine can see: borders, seats, sizes, names, places."""

from __future__ import annotations

import ast
import doctest
import importlib
import json
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from engines.matching import IMPLEMENTATIONS
from lab.experiments import EXPERIMENTS
from lab.experiments.parameters import controls_of

ROOT = Path(__file__).resolve().parents[1]
TOP_LEVEL = {
    ".ci",
    ".gitattributes",
    ".gitignore",
    "LICENSE",
    "Makefile",
    "README.md",
    "data",
    "engines",
    "lab",
    "notebooks",
    "pyproject.toml",
    "requirements.lock",
    "tests",
}
SHARED_BY_ROOMS = ("engines.messages", "engines.errors", "engines.intrinsics")
READERS_OF_RESULTS = {"plots", "panels", "report", "reports", "tables"}
# Code is what is left without blank lines, comments, docstrings and imports.
FILE_CODE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
KERNEL_DECORATORS = {"njit", "intrinsic"}
NOTEBOOK_BYTES_MAX = 1_000_000
FORBIDDEN_WORDS = {"manager", "helper", "helpers", "utils", "util", "impl", "base", "data", "info"}
# A parameter is named in its signature and nowhere else, but for these:
PARAMETER_NAMES_ELSEWHERE = {
    ("lab/cli.py", "engine"): "a table's heading",
    ("lab/cli.py", "engines"): "a key of `lab list --json`",
    ("lab/plots/reading.py", "batch"): "the first word of a case",
    ("lab/plots/across.py", "flow"): "what the subtitle says of several results",
    ("lab/plots/across.py", "live_orders"): "likewise",
    ("lab/plots/across.py", "messages"): "likewise",
    ("lab/plots/machine_layout.py", "core"): "a box in the drawing of a machine",
    ("lab/plots/machine_map.py", "core"): "likewise",
    ("lab/plots/machine_parts.py", "core"): "likewise",
    ("lab/plots/machine_words.py", "core"): "what a machine has so many of",
    ("lab/probe_summary.py", "core"): "likewise",
    ("lab/readme.py", "live_orders"): "the README's sentence about its own runs, and an axis",
    ("lab/shipped.py", "live_orders"): "an axis of a run that is shipped",
    ("lab/shipped.py", "symbols"): "an axis of a run that is shipped",
    ("lab/measure/sweep.py", "points"): "a key of `lab sweep --json`",
    ("lab/summaries.py", "engine"): "a table's heading",
    ("lab/sweep_text.py", "points"): "likewise",
}
# What makes flows, reads days, looks at books or at machines knows no experiment; words of its own
# happen to be called the same.
OWN_PARAMETERS = ("lab/books/", "lab/experiments/", "lab/hardware/", "lab/workloads/")

SOURCES = sorted((ROOT / "engines").rglob("*.py")) + sorted((ROOT / "lab").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
ROOMS = [
    door.parent
    for door in sorted((ROOT / "engines").glob("*/__init__.py"))
    if "IMPLEMENTATIONS" in door.read_text()
]


def name_of(path: Path) -> str:
    """A file's path in the checkout, as a test's name."""
    return path.relative_to(ROOT).as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    """A file's syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"))


def imports_of(path: Path) -> set[str]:
    """Every module that a file imports anywhere, ``from a import b`` as ``a`` and ``a.b``."""
    found: set[str] = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            found |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def of_package(names: set[str], *packages: str) -> set[str]:
    """Those names that are of a package."""
    return {
        name
        for name in names
        if any(name == package or name.startswith(f"{package}.") for package in packages)
    }


def functions_of(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method of a file."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def decorators_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """The names of a function's decorators, without their arguments."""
    return {ast.unparse(decorator).split("(")[0] for decorator in function.decorator_list}


class TestBorders:
    @pytest.mark.parametrize("path", SOURCES, ids=name_of)
    def test_imports(self, path: Path) -> None:
        """One test a file, so that a failure names the file and what it must not import."""
        house = of_package(imports_of(path), "engines", "lab")
        assert house - allowed_imports(path, house) == set()

    @pytest.mark.parametrize("room", ROOMS, ids=name_of)
    def test_the_reference_shares_no_code_with_what_it_judges(self, room: Path) -> None:
        """It may be in several files, and reads the contract: its interface and its constants."""
        its_own = sorted(room.glob("reference*.py"))
        contract = [f"engines.{room.name}.{part}" for part in ("api", "rules")]
        files = [f"engines.{room.name}.{path.stem}" for path in its_own]
        for path in its_own:
            imported = imports_of(path)
            shared = of_package(imported, *contract, *files, *SHARED_BY_ROOMS)
            assert of_package(imported, "engines", "lab", "numba") == shared

    def test_a_breach_would_be_seen(self) -> None:
        """The rules above, over imports that break them."""
        breaches = {
            "engines/matching/x.py": "lab.units",
            "engines/matching/y.py": "engines.queues.api",
            "lab/hardware/x.py": "lab.units",
            "lab/hardware/y.py": "engines.messages",
            "lab/plots/x.py": "engines.matching",
            "lab/panels/x.py": "engines.matching.reference",
            "lab/report.py": "engines.messages",
        }
        for place, imported in breaches.items():
            assert imported not in allowed_imports(ROOT / place, {imported}), place


def allowed_imports(path: Path, house: set[str]) -> set[str]:
    """Those imports of the house that a file may have."""
    parts = path.relative_to(ROOT).parts
    if parts[:2] == ("engines", "pipeline"):
        return of_package(house, "engines")
    if parts[0] == "engines":
        room = [f"engines.{parts[1]}"] if len(parts) > 2 else []
        return of_package(house, *SHARED_BY_ROOMS, *room) | ({"engines"} & house)
    if parts[1] == "hardware":
        return of_package(house, "engines.errors", "engines.intrinsics", "lab.hardware")
    if Path(parts[1]).stem in READERS_OF_RESULTS:
        return of_package(house, "lab", "engines.errors")
    return house


class TestSeats:
    @pytest.mark.parametrize("room", ROOMS, ids=name_of)
    def test_the_door_names_every_rival_and_the_oracle_comes_first(self, room: Path) -> None:
        door = importlib.import_module(f"engines.{room.name}")
        names = list(door.IMPLEMENTATIONS)
        assert names[0] == "reference"
        table = door.__doc__ or ""
        assert [name for name in names if not re.search(rf"^{name}\b", table, re.M)] == []
        for name, entry in door.IMPLEMENTATIONS.items():
            assert entry.name == name
            module, rival = entry.where.split(":")
            if not getattr(entry, "missing", ""):
                assert hasattr(importlib.import_module(module), rival)
        assert (room / "api.py").is_file()

    def test_every_rival_has_a_look(self) -> None:
        from lab.plots.styles import STYLES

        assert set(IMPLEMENTATIONS) - set(STYLES) == set()

    def test_the_experiments_are_named_at_their_door_and_can_be_loaded(self) -> None:
        import lab.experiments

        for name, experiment in EXPERIMENTS.items():
            assert re.search(rf"^{name}\b", lab.experiments.__doc__ or "", re.M)
            assert experiment.question.endswith("?")
            assert set(experiment.sizes) == {"smoke", "full"}
            assert callable(experiment.function())

    def test_a_parameter_is_named_in_its_signature_only(self) -> None:
        names = {
            control.name
            for experiment in EXPERIMENTS.values()
            for control in controls_of(experiment.model())
        }
        found = {
            (name_of(path), node.value)
            for path in SOURCES
            if name_of(path).startswith("lab/") and not name_of(path).startswith(OWN_PARAMETERS)
            for node in ast.walk(tree_of(path))
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and node.value in names
        }
        assert found - set(PARAMETER_NAMES_ELSEWHERE) == set()


class TestSizesAndNames:
    @pytest.mark.parametrize("path", SOURCES + TESTS, ids=name_of)
    def test_a_file_says_what_it_is(self, path: Path) -> None:
        first = (ast.get_docstring(tree_of(path)) or "").split("\n")[0]
        assert len(first) > 20, "one file, one job, said in the first line of its docstring"

    @pytest.mark.parametrize("path", SOURCES, ids=name_of)
    def test_a_file_has_one_job(self, path: Path) -> None:
        assert code_lines(path) <= FILE_CODE_LINES_MAX

    @pytest.mark.parametrize("path", SOURCES + TESTS, ids=name_of)
    def test_a_function_fits_a_screen(self, path: Path) -> None:
        long = {
            function.name: length
            for function in functions_of(path)
            if (length := (function.end_lineno or 0) - function.lineno + 1) > FUNCTION_LINES_MAX
            and not decorators_of(function) & KERNEL_DECORATORS
        }
        assert long == {}

    @pytest.mark.parametrize("path", SOURCES + TESTS, ids=name_of)
    def test_names_say_something(self, path: Path) -> None:
        classes = [node.name for node in ast.walk(tree_of(path)) if isinstance(node, ast.ClassDef)]
        names = [path.stem, *classes]
        assert [name for name in names if words_of(name) & FORBIDDEN_WORDS] == []

    def test_words_of_names(self) -> None:
        assert words_of("OrderBookManager") == {"order", "book", "manager"}
        assert words_of("HTTPInfo") == {"http", "info"}
        assert words_of("Implementation") == {"implementation"}
        assert words_of("file_utils") == {"file", "utils"}

    @pytest.mark.parametrize("path", SOURCES, ids=name_of)
    def test_what_is_public_is_documented(self, path: Path) -> None:
        assert list(undocumented(tree_of(path).body)) == []


def words_of(name: str) -> set[str]:
    """The words of a name, be it written with capitals or with underscores."""
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)}


def code_lines(path: Path) -> int:
    """Lines that are neither blank nor comment, docstring or import."""
    skipped: set[int] = set()
    for node in ast.walk(tree_of(path)):
        is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if is_text or isinstance(node, ast.Import | ast.ImportFrom):
            assert isinstance(node, ast.stmt)
            skipped.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines = enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
    return sum(
        1
        for number, line in lines
        if number not in skipped and line.strip() and not line.strip().startswith("#")
    )


def undocumented(body: list[ast.stmt]) -> Iterator[str]:
    """Public classes, functions and methods without a docstring."""
    for node in body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if node.name.startswith("_") or is_setter(node):
            continue
        if not ast.get_docstring(node):
            yield node.name
        if isinstance(node, ast.ClassDef):
            yield from (f"{node.name}.{name}" for name in undocumented(node.body))


def is_setter(node: ast.stmt) -> bool:
    """Whether a method is the setter of a property, which the property documents."""
    return isinstance(node, ast.FunctionDef) and any(
        decorator.endswith(".setter") for decorator in decorators_of(node)
    )


WITH_EXAMPLES = [path for path in SOURCES if re.search(r"^\s*>>> ", path.read_text(), re.M)]


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=name_of)
def test_examples_in_docstrings_hold(path: Path) -> None:
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    failed, tried = doctest.testmod(importlib.import_module(module))
    assert tried > 0
    assert failed == 0


# a picture in a notebook, a histogram in a result: their letters may spell anything
ENCODED = re.compile(r'"(?:image/png|histogram|counts)": ?"[^"]*"')


class TestCheckout:
    def test_the_top_level_holds_what_the_design_names(self) -> None:
        assert {Path(name).parts[0] for name in listed_files()} - TOP_LEVEL == set()

    def test_no_file_names_this_machine_or_work_left_undone(self) -> None:
        places = ["/wo" + "rk/", "/ro" + "ot/", f"{ROOT}/", f"{Path.home()}/"]
        marks = ["TO" + "DO", "FIX" + "ME", "X" * 3, "NotImpl" + "emented"]
        pattern = re.compile("|".join([*map(re.escape, places), *(rf"\b{m}" for m in marks)]))
        found = [
            f"{name}: {match.group()}"
            for name in listed_files()
            if (match := pattern.search(ENCODED.sub("", text_of(ROOT / name))))
        ]
        assert found == []

    def test_the_readme_opens_with_a_sentence_a_picture_and_two_commands(self) -> None:
        readme = (ROOT / "README.md").read_text(encoding="utf-8")
        sentence, picture = (
            readme.find("performance lab"),
            re.search(r"!\[[^]]{20,}\]\(.+\)", readme),
        )
        commands = re.findall(r"^    (make \w+)", readme, re.M)[:2]
        assert picture is not None
        assert 0 < sentence < picture.start() < readme.index("make lab")
        assert commands == ["make lab", "make test"]


def listed_files() -> list[str]:
    """The files of the checkout that are in git or would be."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    seen = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if seen.returncode:
        pytest.skip("this is no git checkout, so what belongs to it cannot be told")
    return sorted(name for name in seen.stdout.split("\0") if name and (ROOT / name).exists())


def text_of(path: Path) -> str:
    """A file's text, or nothing where it is none."""
    content = path.read_bytes()
    return "" if b"\0" in content[:8192] else content.decode("utf-8", errors="replace")


class TestNotebooks:
    @pytest.mark.parametrize("path", NOTEBOOKS, ids=name_of)
    def test_holds_no_widget_and_stays_small(self, path: Path) -> None:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        kinds = {kind for output in outputs_of(notebook) for kind in output.get("data", {})}
        assert path.stat().st_size < NOTEBOOK_BYTES_MAX
        assert "widgets" not in notebook["metadata"]
        assert [kind for kind in kinds if "widget" in kind] == []

    @pytest.mark.parametrize("path", NOTEBOOKS, ids=name_of)
    def test_opens_with_a_picture_that_has_words(self, path: Path) -> None:
        """PNG: an untrusted notebook shows neither SVG nor widgets, and each fresh clone is one."""
        notebook = json.loads(path.read_text(encoding="utf-8"))
        first = next(outputs_of(notebook), {})
        assert "image/png" in first.get("data", {})
        words = first["metadata"].get("image/png", {}).get("alt", "")
        assert len(words) > 20

    @pytest.mark.parametrize("path", NOTEBOOKS, ids=name_of)
    def test_is_an_essay(self, path: Path) -> None:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        assert cells[0]["cell_type"] == "markdown"
        assert "".join(cells[0]["source"]).startswith("# ")
        texts = sum(cell["cell_type"] == "markdown" for cell in cells)
        assert texts >= 0.7 * (len(cells) - texts), "about one text cell for each code cell"


def outputs_of(notebook: dict) -> Iterator[dict]:
    """Every output of a notebook, in order."""
    for cell in notebook["cells"]:
        yield from cell.get("outputs", [])
