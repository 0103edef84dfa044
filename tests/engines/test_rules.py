"""Every row of the two tables of rules has its tests in the files beside this one."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from engines.matching import api, rules
from engines.messages import Reason

FILES = sorted(Path(__file__).parent.glob("test_rules_*.py"))


def rows_of(table: int) -> list[str]:
    """Return the names in the first column of one of the tables in the rules' docstring."""
    rows: list[str] = []
    place = -1
    for line in (rules.__doc__ or "").splitlines():
        place += line.startswith("=====")
        # a table has a line above its head, one below it, and one at its end
        names = re.match(r"\w+(, \w+)*", line)
        if names and place == 3 * table + 1:
            rows += names[0].split(", ")
    return rows


def names_in(files: list[Path]) -> list[str]:
    """Return the names of all test functions of some files."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in files]
    return [
        node.name
        for tree in trees
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]


def test_the_tables_are_read():
    checks, told = rows_of(0), rows_of(1)
    assert checks[0] == "UNKNOWN_KIND" and checks[-1] == "BOOK_FULL" and len(checks) > 25
    assert told[0] == "limit_rests_silently" and told[-1] == "work_is_bounded" and len(told) > 50
    assert len(FILES) > 3


def test_every_rule_has_its_test():
    names = names_in(FILES)
    assert len(names) == len(set(names)), "a test's name is there twice"
    assert [rule for rule in rows_of(1) if f"test_{rule}" not in names] == []


def test_every_check_has_its_test():
    names = names_in(FILES)
    assert [check for check in rows_of(0) if f"test_check_{check.lower()}" not in names] == []


def test_every_check_stands_where_its_code_says():
    rejects = [reason.name for reason in Reason if 0 < reason < 100]
    assert rows_of(0) == rejects


def test_every_reason_is_in_the_contract():
    contract = f"{rules.__doc__}\n{api.__doc__}"
    missing = [reason.name for reason in Reason if not re.search(rf"\b{reason.name}\b", contract)]
    assert missing == ["NONE"]
