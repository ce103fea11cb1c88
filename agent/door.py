"""How a folder shows its door without loading what lies behind it.

What an ``__init__`` imports ``if TYPE_CHECKING`` is its door. Readers and type checkers see it there; at run
time a name is loaded when it is first asked for (PEP 562), so that reading a configuration loads no NumPy.
"""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Callable
from pathlib import Path


def opened(package: str) -> tuple[Callable[[str], object], list[str]]:
    """Make ``__getattr__`` and ``__all__`` of a package from its own text.

    Args:
        package: Its ``__name__``.
    """
    text = Path(str(sys.modules[package].__file__)).read_text(encoding="utf-8")
    module_of = {
        alias.name: node.module
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ImportFrom) and node.module and f"{node.module}.".startswith(f"{package}.")
        for alias in node.names
    }

    def load(name: str) -> object:
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = module_of[name]
        value: object = (
            importlib.import_module(f"{package}.{name}")
            if module == package
            else getattr(importlib.import_module(module), name)
        )
        setattr(sys.modules[package], name, value)
        return value

    return load, sorted(module_of)
