"""The rules of the house, read off the source: who imports whom, how long things are, what never happens."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
import tomllib
from functools import cache
from typing import TYPE_CHECKING, Final

import pytest

import agent.errors
from tests.support.places import ROOT

if TYPE_CHECKING:
    from pathlib import Path


STAGES: Final = ("source", "detector", "tracker", "classifier", "aggregator", "publisher")
PIXEL_FREE: Final = (
    "aggregator",
    "publisher",
    "privacy.policy",
    "contract.messages",
    "health",
    "publisher.outbox",
    "publisher.wallclock",
    "settings",
)
LONGEST_MODULE: Final = 300
LONGEST_FUNCTION: Final = 50


def product_files() -> list[Path]:
    return sorted(
        path for folder in ("agent", "models", "quantize") for path in (ROOT / folder).rglob("*.py")
    )


@cache
def imports(path: Path) -> frozenset[str]:
    """Full names of all modules a file imports, lazily or not."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(names)


def imports_any(path: Path, *modules: str) -> set[str]:
    return {
        name
        for name in imports(path)
        for module in modules
        if name == module or name.startswith(f"{module}.")
    }


def stage_files(stage: str) -> list[Path]:
    """A stage is a file or a folder of its own name."""
    folder = ROOT / "agent" / stage
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_never_imports_another_stage(stage: str) -> None:
    others = [f"agent.{other}" for other in STAGES if other != stage]
    for path in stage_files(stage):
        assert not imports_any(path, *others, "agent.pipeline", "agent.daemon"), path.relative_to(ROOT)


def test_only_the_pipeline_knows_the_order_and_only_the_assembly_builds() -> None:
    """Elsewhere, no file imports two stages."""
    for path in (ROOT / "agent").rglob("*.py"):
        if path.name in {"pipeline.py", "assembly.py", "daemon.py"}:
            continue
        stages = {stage for stage in STAGES if imports_any(path, f"agent.{stage}")}
        own = path.relative_to(ROOT / "agent").parts[0].removesuffix(".py")
        assert len(stages - {own}) < 2, f"{path.relative_to(ROOT)} knows {sorted(stages)}"


@pytest.mark.slow
@pytest.mark.parametrize("module", PIXEL_FREE)
def test_what_comes_after_counting_cannot_reach_pixels(module: str) -> None:
    """A fresh interpreter that imports it has loaded neither NumPy nor OpenCV nor the frame type."""
    program = (
        f"import sys, agent.{module}; print(*sorted({{'numpy', 'cv2', 'agent.frame'}} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.split() == []


def test_the_agent_never_imports_training_code() -> None:
    for path in (ROOT / "agent").rglob("*.py"):
        found = imports_any(path, "torch", "models", "quantize", "scipy", "matplotlib")
        assert not found, f"{path.relative_to(ROOT)} imports {found}"


def test_the_pipeline_knows_neither_time_nor_sockets_nor_threads() -> None:
    assert not imports_any(ROOT / "agent" / "pipeline.py", "time", "threading", "socket", "logging", "paho")
    assert not imports_any(ROOT / "agent" / "scheduler.py", "time", "threading", "logging")


def test_no_code_of_the_agent_can_write_a_picture() -> None:
    """Only the demo draws a clip, from a public-domain portrait that a dependency ships."""
    forbidden = {"imwrite", "imencode", "VideoWriter", "tofile", "savez", "imshow"}
    for path in (ROOT / "agent").rglob("*.py"):
        if path == ROOT / "agent" / "synthetic" / "visits.py":
            continue
        calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        names = {call.attr for call in calls if isinstance(call, ast.Attribute)}
        assert not names & forbidden, path.relative_to(ROOT)


@pytest.mark.parametrize("path", product_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_and_functions_stay_small_enough_to_read(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= LONGEST_MODULE
    assert path.stem not in {"utils", "helpers", "core", "common", "misc"}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= LONGEST_FUNCTION, f"{node.name} has {length} lines"


def test_every_error_is_an_agent_error_with_an_exit_code() -> None:
    found = inspect.getmembers(agent.errors, inspect.isclass)
    classes = [value for _, value in found if value.__module__ == "agent.errors"]
    strangers = [value for value in classes if not issubclass(value, agent.errors.AgentError)]
    assert strangers == []
    codes = {error.__name__: error.exit_code for error in agent.errors.AgentError.__subclasses__()}
    assert (codes["ConfigError"], codes["ModelError"], codes["BackendError"]) == (2, 3, 4)


def test_a_device_installs_neither_torch_nor_scipy_nor_matplotlib() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = " ".join(project["dependencies"]).lower()
    assert not [name for name in ("torch", "scipy", "matplotlib", "amqtt", "scikit") if name in named]


@pytest.mark.slow
def test_committed_artefacts_are_small() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    large = [
        name
        for name in listed.split()
        if (ROOT / name).is_file() and (ROOT / name).stat().st_size > 10_000_000
    ]
    assert not large
