"""The table of statements names tests that are there."""

import ast
import re
from pathlib import Path

HERE = Path(__file__).parent


def test_every_statement_has_its_test():
    rows = [line.strip("| ").split(" | ") for line in (HERE / "statements.md").read_text().splitlines() if "::" in line]
    assert len(rows) > 50
    for statement, where in rows:
        file, test = where.split("::")
        there = {node.name for node in ast.walk(ast.parse((HERE / file).read_text())) if isinstance(node, ast.FunctionDef)}
        assert re.fullmatch(r"test_\w+", test), statement
        assert test in there, f"{statement}: there is no {where}"
