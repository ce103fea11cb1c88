"""The product's own imports, read off its source: which file takes which name from which file."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

from tests.support.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

TOPS: Final = ("agent", "models", "quantize")


@dataclass(frozen=True, slots=True)
class Import:
    """One name that one module takes from another, lazily or not."""

    by: str
    source: str
    """Module or package as it is written."""
    name: str
    """Empty for ``import a.b``."""


@cache
def modules() -> Mapping[str, Path]:
    """File of every product module by its full name; a package's is its ``__init__``."""
    return {_name_of(path): path for top in TOPS for path in sorted((ROOT / top).rglob("*.py"))}


@cache
def tree_of(module: str) -> ast.Module:
    """The parsed source of a module."""
    return ast.parse(modules()[module].read_text(encoding="utf-8"))


def is_package(module: str) -> bool:
    """Whether the module is a folder's ``__init__``."""
    return modules()[module].name == "__init__.py"


def folder_of(module: str) -> str:
    """The package that a module's file lies in; a package lies in itself."""
    return module if is_package(module) else module.rpartition(".")[0]


def lies_in(module: str, folder: str) -> bool:
    """Whether a module is the folder's ``__init__`` or anywhere below."""
    return f"{module}.".startswith(f"{folder}.")


@cache
def door_of(package: str) -> Mapping[str, str]:
    """By name that a package hands on, the module where it is made; a module handed on stands for itself."""
    door = {}
    for taken in imports(package):
        if taken.name and lies_in(taken.source, package):
            door[taken.name] = (
                f"{package}.{taken.name}" if f"{taken.source}.{taken.name}" in modules() else taken.source
            )
    return door


@cache
def imports(module: str) -> tuple[Import, ...]:
    """All that a module imports, from anywhere."""
    return tuple(_imports(module))


def needs(module: str) -> set[str]:
    """Product modules that a module needs; names are followed through doors to where they are made."""
    if is_package(module) and "opened" in {taken.name for taken in imports(module)}:
        return {"agent.door"}  # what it hands on is loaded when somebody else asks
    found = {_made_in(taken) for taken in imports(module)}
    return {name for name in found if name and name != module}


def circles(edges: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Groups of nodes that reach each other (Tarjan 1972), each sorted."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        order[node] = low[node] = len(order)
        stack.append(node)
        for other in edges.get(node, ()):
            if other not in order:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], order[other])
        if low[node] == order[node]:
            group = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(group) > 1:
                found.append(sorted(group))

    for node in edges:
        if node not in order:
            visit(node)
    return found


def children_graph(package: str) -> dict[str, set[str]]:
    """Who needs whom among the files and folders right inside a package, whatever is deep inside them."""
    edges: dict[str, set[str]] = {}
    for module in modules():
        child = _child(module, package)
        if child:
            others = {_child(other, package) for other in needs(module)} - {"", child}
            edges.setdefault(child, set()).update(others)
    return edges


def _child(module: str, package: str) -> str:
    if not package:
        return module.partition(".")[0]
    inside = module.removeprefix(f"{package}.")
    return "" if inside == module else inside.partition(".")[0]


def _made_in(taken: Import) -> str:
    full = f"{taken.source}.{taken.name}" if taken.name else taken.source
    if full in modules():
        return full
    if taken.source not in modules():
        return ""
    return door_of(taken.source).get(taken.name, taken.source) if is_package(taken.source) else taken.source


def _imports(module: str) -> Iterator[Import]:
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Import):
            yield from (Import(module, alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (Import(module, node.module, alias.name) for alias in node.names)


def _name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
