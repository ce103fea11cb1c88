"""The rules of the house, read off the source: who imports whom, how long things are, what never happens."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING, Final

import pytest

import agent.errors
from tests.support import house
from tests.support.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
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
LONGEST_MODULE: Final = 280
LONGEST_FUNCTION: Final = 50
LAUNCHER: Final = "agent.host.child"
UNTYPED: Final = ("dict[str, Any]", "Mapping[str, Any]", "MutableMapping[str, Any]")
MODULES: Final = tuple(house.modules())
PACKAGES: Final = tuple(module for module in MODULES if house.is_package(module))
FOLDERS: Final = tuple(package for package in PACKAGES if "." in package)


def imports_any(module: str, *wanted: str) -> set[str]:
    """Of the modules ``wanted`` and all below, those that a module imports or takes a name from."""
    taken = {
        name for entry in house.imports(module) for name in (entry.source, f"{entry.source}.{entry.name}")
    }
    return {name for name in taken for root in wanted if house.lies_in(name, root)}


def below(folder: str) -> list[str]:
    """A stage is a file or a folder of its own name."""
    return [module for module in MODULES if house.lies_in(module, folder)]


# --- 1. who imports whom ----------------------------------------------------------------------------------


def test_no_two_files_import_each_other_by_whatever_way_round() -> None:
    assert house.circles({module: house.needs(module) for module in MODULES}) == []


@pytest.mark.parametrize("package", ["", *PACKAGES])
def test_no_folder_is_part_of_a_circle_with_its_neighbours(package: str) -> None:
    assert house.circles(house.children_graph(package)) == []


def test_the_device_knows_nothing_of_the_offline_step() -> None:
    for module in below("agent"):
        found = imports_any(module, "torch", "models", "quantize", "scipy", "matplotlib")
        assert not found, f"{module} imports {found}"


def test_networks_are_made_before_they_are_quantised() -> None:
    for module in below("models"):
        assert not imports_any(module, "quantize"), module


def test_the_offline_step_runs_neither_commands_nor_the_daemon() -> None:
    for module in (*below("models"), *below("quantize")):
        assert not imports_any(module, "agent.commands", "agent.daemon", "agent.cli"), module


def test_only_the_command_line_knows_the_commands() -> None:
    for module in below("agent"):
        if module != "agent.cli" and not house.lies_in(module, "agent.commands"):
            assert not imports_any(module, "agent.commands"), module


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_never_imports_another_stage(stage: str) -> None:
    others = [f"agent.{other}" for other in STAGES if other != stage]
    for module in below(f"agent.{stage}"):
        assert not imports_any(module, *others, "agent.pipeline", "agent.assembly", "agent.daemon"), module


def test_only_the_pipeline_knows_the_order_and_only_the_assembly_builds() -> None:
    """Elsewhere, no file imports two stages; the daemon has the threads of the first and the last."""
    for module in below("agent"):
        if module in {"agent.pipeline", "agent.assembly", "agent.daemon"}:
            continue
        stages = {stage for stage in STAGES if imports_any(module, f"agent.{stage}")}
        own = module.split(".")[1] if "." in module else ""
        assert len(stages - {own}) < 2, f"{module} knows {sorted(stages)}"


@pytest.mark.parametrize("module", PIXEL_FREE)
@pytest.mark.slow
def test_what_comes_after_counting_cannot_reach_pixels(module: str) -> None:
    """A fresh interpreter that imports it, and all it hands on, has loaded no NumPy, OpenCV or frame."""
    program = (
        f"import sys, agent.{module} as it; [getattr(it, name) for name in getattr(it, '__all__', ())];"
        "print(*sorted({'numpy', 'cv2', 'agent.frame'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.split() == []


def test_the_pipeline_knows_neither_time_nor_sockets_nor_threads() -> None:
    assert not imports_any("agent.pipeline", "time", "threading", "socket", "logging", "paho")
    assert not imports_any("agent.scheduler", "time", "threading", "logging")


# --- 2. children ------------------------------------------------------------------------------------------


def test_a_child_python_is_started_in_one_place_only() -> None:
    """Elsewhere nobody even knows the interpreter; ``test_child.py`` shows what the one place does."""
    for module in MODULES:
        names = {
            f"{node.value.id}.{node.attr}"
            for node in ast.walk(house.tree_of(module))
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
        }
        assert module == LAUNCHER or not names & {"sys.executable", "sys._base_executable"}, module
        assert not imports_any(module, "multiprocessing.Process", "concurrent.futures.ProcessPoolExecutor")


# --- 3. the bundle ----------------------------------------------------------------------------------------


def test_nothing_is_found_by_whatever_lies_first_on_the_path() -> None:
    """A package's place tells whether it is installed, never where our own files are."""
    for module in below("agent"):
        for node in ast.walk(house.tree_of(module)):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("find_spec"):
                assert not set(house.TOPS) & {ast.literal_eval(argument) for argument in node.args}, module


@pytest.mark.slow
def test_a_strangers_models_folder_is_never_taken_for_the_bundle(tmp_path: Path) -> None:
    stranger = tmp_path / "models" / "bundle"
    stranger.mkdir(parents=True)
    (stranger / "manifest.toml").write_text("")
    (stranger.parent / "__init__.py").write_text("")
    program = "from agent.inference.bundle import default_bundle_folder as f; print(f())"
    search = os.pathsep.join((str(tmp_path), str(ROOT)))
    result = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": search},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == str(ROOT / "models" / "bundle")


# --- 4. doors ---------------------------------------------------------------------------------------------


def test_nobody_reaches_into_a_folder_past_its_door() -> None:
    for module in MODULES:
        for taken in house.imports(module):
            if taken.source not in house.modules() or taken.source.count(".") < 2:
                continue
            folder = taken.source.rpartition(".")[0]
            passed = not house.is_package(taken.source) and not house.lies_in(module, folder)
            assert not passed, f"{module} takes {taken.name} from {taken.source}: ask {folder}"


@pytest.mark.slow
@pytest.mark.parametrize("folder", FOLDERS)
def test_a_door_hands_on_what_it_says_and_somebody_wants_it(folder: str) -> None:
    """Each name is there at run time, and used outside the folder, by the product or by a test."""
    if folder.startswith(("models", "quantize")):
        pytest.importorskip("torch", reason="needs the extra [train]")
    door = house.door_of(folder)
    package = importlib.import_module(folder)
    assert sorted(door) == sorted(getattr(package, "__all__", ()))
    outside = [module for module in MODULES if not house.lies_in(module, folder)]
    wanted = {taken.name for module in outside for taken in house.imports(module) if taken.source == folder}
    for name in door:
        assert hasattr(package, name)
        assert name in wanted, f"{folder} hands on {name}, which nobody takes"


# --- 5. what crosses a wall -------------------------------------------------------------------------------


@pytest.mark.parametrize("module", MODULES)
def test_nothing_crosses_a_wall_as_an_untyped_dict(module: str) -> None:
    """Neither a parameter, a result nor a field that others can reach is a ``dict[str, Any]``."""
    for name, annotation in annotations_others_see(house.tree_of(module)):
        assert not any(words in annotation for words in UNTYPED), f"{module}: {name}: {annotation}"


def annotations_others_see(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Public functions', methods' and fields' annotations, with the names of what they belong to."""
    holders: list[tuple[str, ast.stmt]] = [("", node) for node in tree.body]
    while holders:
        owner, node = holders.pop()
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            holders.extend((f"{node.name}.", inner) for inner in node.body)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            for argument in given:
                if argument.annotation:
                    yield f"{owner}{node.name}({argument.arg})", ast.unparse(argument.annotation)
            if node.returns:
                yield f"{owner}{node.name}", ast.unparse(node.returns)
        elif isinstance(node, ast.AnnAssign) and not ast.unparse(node.target).startswith("_"):
            yield f"{owner}{ast.unparse(node.target)}", ast.unparse(node.annotation)


# --- 6. one word, one meaning -----------------------------------------------------------------------------


def test_a_module_logs_through_its_logger() -> None:
    for module in MODULES:
        for node in house.tree_of(module).body:
            if isinstance(node, ast.Assign) and "getLogger" in ast.unparse(node.value):
                assert ast.unparse(node.targets[0]) == "logger", module


def test_progress_is_what_a_function_says() -> None:
    """Whoever takes a callback for progress calls it ``say``; words go to nothing else."""
    for module in MODULES:
        for node in ast.walk(house.tree_of(module)):
            if not isinstance(node, ast.arg) or node.annotation is None:
                continue
            annotation = ast.unparse(node.annotation)
            listens = annotation.startswith("Callable[[") and "], None]" in annotation
            other_word = node.arg in {"report", "progress", "tell", "notify", "log", "echo"}
            assert not (listens and other_word), f"{module}: {node.arg}: {annotation}"
            assert "Callable[[str], None]" not in annotation or node.arg == "say", f"{module}: {node.arg}"


@pytest.mark.parametrize("name", ["Report", "sample_indices"])
def test_a_word_of_the_house_is_defined_once(name: str) -> None:
    found = [
        module
        for module in MODULES
        for node in ast.walk(house.tree_of(module))
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name
    ]
    assert len(found) == 1, found


# --- 8. sizes, and what never happens ---------------------------------------------------------------------


@pytest.mark.parametrize("module", MODULES)
def test_modules_and_functions_stay_small_enough_to_read(module: str) -> None:
    path = house.modules()[module]
    assert path.read_text().count("\n") <= LONGEST_MODULE
    assert path.stem not in {"utils", "helpers", "core", "common", "misc"}
    for node in ast.walk(house.tree_of(module)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= LONGEST_FUNCTION, f"{node.name} has {length} lines"


def test_no_code_of_the_agent_can_write_a_picture() -> None:
    """Only the demo draws a clip, from a public-domain portrait that a dependency ships."""
    forbidden = {"imwrite", "imencode", "VideoWriter", "tofile", "savez", "imshow"}
    for module in below("agent"):
        if module == "agent.synthetic.visits":
            continue
        calls = [node.func for node in ast.walk(house.tree_of(module)) if isinstance(node, ast.Call)]
        names = {call.attr for call in calls if isinstance(call, ast.Attribute)}
        assert not names & forbidden, module


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
