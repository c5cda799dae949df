"""The rooms: arrows of import point down only, and CASA is reached through one door."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
OURS = {"flows", "tasks", "qa", "schemas", "deployments", "tests"}
MAY_IMPORT = {
    "flows": {"tasks", "qa", "schemas", "flows"},
    "tasks": {"schemas", "tasks"},
    "qa": {"schemas", "qa"},
    "schemas": {"schemas"},
}
NEVER = {
    "schemas": {"prefect", "casatasks", "casatools", "great_expectations"},
    "qa": {"prefect", "casatasks", "casatools"},
    "tasks": {"great_expectations"},
    "flows": {"casatasks", "casatools", "great_expectations"},
}


def modules(room):
    return sorted((ROOT / room).rglob("*.py"))


@cache
def imported(path):
    """Top-level packages a module imports anywhere in it, for type checkers too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0] if node.level == 0 else path.relative_to(ROOT).parts[0])
    return frozenset(found)


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_what_stands_below_it(room):
    wrong = {str(path.relative_to(ROOT)): sorted((imported(path) & OURS) - MAY_IMPORT[room]) for path in modules(room)}
    assert {name: found for name, found in wrong.items() if found} == {}
    assert wrong


@pytest.mark.parametrize("room", NEVER)
def test_a_room_keeps_to_its_own_trade(room):
    wrong = {str(path.relative_to(ROOT)): sorted(imported(path) & NEVER[room]) for path in modules(room)}
    assert {name: found for name, found in wrong.items() if found} == {}


def behind_the_door(path):
    """Code that runs inside a CASA child, or makes data for one."""
    relative = path.relative_to(ROOT / "tasks")
    inside = path.stem.endswith("_casa") or path.stem in {"casa_server", "ingest_ids_casa"}
    return inside or relative.parts[0] == "simulate"


def test_casa_is_imported_only_by_code_that_runs_inside_its_children():
    found = {path for room in MAY_IMPORT for path in modules(room) if imported(path) & {"casatasks", "casatools"}}
    assert {str(path.relative_to(ROOT)) for path in found if not behind_the_door(path)} == set()
    assert found


def test_great_expectations_has_one_door():
    found = [path.name for room in MAY_IMPORT for path in modules(room) if "great_expectations" in imported(path)]
    assert found == ["evaluation.py"]
