"""docs/state-machines.md draws exactly what domain/ says."""

import re
from pathlib import Path
from typing import Any

import pytest

from pixsim7_backend.domain import MACHINES
from pixsim7_backend.domain.state_machine import StateMachine

DOCUMENT = Path(__file__).parents[2] / "docs" / "state-machines.md"
_BLOCK = re.compile(r"```mermaid\n(.*?)```", re.DOTALL)
_TITLE = re.compile(r"^title:\s*(\S+)\s*$", re.MULTILINE)
_EDGE = re.compile(r"^\s*(\S+)\s*-->\s*(\w+|\[\*\])", re.MULTILINE)


def drawings() -> dict[str, set[tuple[str, str]]]:
    found = {}
    for block in _BLOCK.findall(DOCUMENT.read_text()):
        title = _TITLE.search(block)
        assert title is not None, "every diagram is titled table.column"
        edges = {(source, target) for source, target in _EDGE.findall(block)}
        found[title[1]] = {edge for edge in edges if edge[1] != "[*]"}
    return found


def expected(machine: StateMachine[Any]) -> set[tuple[str, str]]:
    edges = {(source.value, target.value) for source, target in machine.edges}
    return edges | {("[*]", state.value) for state in machine.initial}


def test_every_machine_is_drawn_and_no_other() -> None:
    assert set(drawings()) == {f"{machine.table}.{machine.column}" for machine in MACHINES}


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.table)
def test_the_drawing_is_the_table(machine: StateMachine[Any]) -> None:
    assert drawings()[f"{machine.table}.{machine.column}"] == expected(machine)


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.table)
def test_every_state_is_explained(machine: StateMachine[Any]) -> None:
    text = DOCUMENT.read_text()
    section = text[text.index(f"`{machine.table}.{machine.column}`") :].split("\n## ")[0]
    for state in type(machine.initial[0]):
        assert f"`{state.value}`" in section, f"{state.value} of {machine.table}"
