"""A child Python runs this agent's code and its libraries', whatever lies where it is started."""

from __future__ import annotations

import json
import os
import shutil
import site
import subprocess
import sys
from pathlib import Path

import pytest

from agent.host import child
from agent.host.child import ask_child, command, python_child
from tests.support.places import ROOT
from tests.support.stranger import Stranger

pytestmark = pytest.mark.slow

NAMES = ("agent", "cryptography", "json", "numpy", "runpy", "site")
"""Ours, a library's, the standard library's, and what a child is started with."""
SAYS_WHERE = """
import json, os, sys
import agent, cryptography
json.dump(
    {
        "agent": agent.__file__,
        "json": json.__file__,
        "path": sys.path,
        "arguments": sys.argv[1:],
        "prefix": sys.prefix,
        "python": sorted(key for key in os.environ if key.startswith("PYTHON")),
    },
    sys.stdout,
)
"""


@pytest.fixture
def stranger(tmp_path: Path) -> Stranger:
    return Stranger(tmp_path / "stranger", *NAMES)


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "says_where.py"
    path.write_text(SAYS_WHERE)
    return path


def told(script: Path) -> dict[str, object]:
    done = ask_child(script, b"", 60.0)
    assert done.returncode == 0, done.stderr
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize("way", ["working directory", "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP"])
def test_nothing_of_a_stranger_is_imported(
    stranger: Stranger, script: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    if way == "working directory":
        monkeypatch.chdir(stranger.folder)
    else:
        monkeypatch.setenv(way, str(stranger.folder))
    answer = told(script)
    assert stranger.ran == []
    assert answer["agent"] == str(ROOT / "agent" / "__init__.py")
    assert answer["prefix"] == sys.prefix
    assert not {"PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP"} & set(answer["python"])  # type: ignore[call-overload]


def test_the_agents_folder_comes_after_the_standard_library_and_before_every_other_package(
    script: Path,
) -> None:
    path = told(script)["path"]
    assert isinstance(path, list)
    ours = path.index(str(ROOT))
    assert all("site-packages" in folder or "dist-packages" in folder for folder in path[ours + 1 : ours + 2])
    assert str(Path(json.__file__).parents[1]) in path[:ours]
    assert not {"", os.getcwd()} & set(path[:ours])  # noqa: PTH109 - as it stands in sys.path


def test_a_module_named_like_the_standard_librarys_beside_the_agent_stands_in_for_nothing(
    tmp_path: Path, script: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the agent lies in site-packages, anything may lie beside it."""
    beside = Stranger(tmp_path / "site", "json", "site", "runpy")
    monkeypatch.setattr(child, "product_path", lambda: [str(beside.folder), str(ROOT)])
    assert told(script)["json"] == json.__file__
    assert beside.ran == []


def test_a_module_gets_its_arguments_and_is_the_main_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").touch()
    (tmp_path / "package" / "part.py").write_text("import sys\nprint(__name__, *sys.argv[1:])\n")
    monkeypatch.setattr(child, "product_path", lambda: [str(tmp_path)])
    with python_child("package.part", "a b", "--c", stdout=subprocess.PIPE) as process:
        answer, _ = process.communicate(timeout=60.0)
    assert answer == b"__main__ a b --c\n"
    assert not list(tmp_path.rglob("__pycache__")), "nothing of the agent writes to disk"


def test_what_else_is_in_the_environment_is_handed_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "says.py").write_text("import os\nprint(os.environ['OURS'], os.environ['THEIRS'])\n")
    monkeypatch.setenv("OURS", "inherited")
    with python_child(tmp_path / "says.py", env={"THEIRS": "added"}, stdout=subprocess.PIPE) as process:
        assert process.communicate(timeout=60.0)[0] == b"inherited added\n"


@pytest.mark.parametrize("has_it", [True, False])
def test_the_users_own_packages_are_there_where_this_process_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, has_it: bool
) -> None:
    """``pip install --user emotion-agent`` puts the libraries there, which ``-I`` alone leaves out."""
    home = tmp_path / "user-site"
    (home / "mine").mkdir(parents=True)
    (home / "mine" / "__init__.py").write_text("def main(): print('found')\n")
    (tmp_path / "asks.py").write_text("import mine\nmine.main()\n")
    monkeypatch.setattr(site, "getusersitepackages", lambda: str(home))
    monkeypatch.setattr(sys, "path", [*sys.path, str(home)] if has_it else sys.path)
    done = ask_child(tmp_path / "asks.py", b"", 60.0)
    assert (done.stdout == b"found\n") is has_it


def test_a_copy_in_site_packages_runs_itself_and_not_the_checkout(tmp_path: Path) -> None:
    """As a wheel would lie; the checkout is on this interpreter's path all the same."""
    installed = tmp_path / "site-packages"
    shutil.copytree(ROOT / "agent", installed / "agent", ignore=shutil.ignore_patterns("__pycache__"))
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from agent.host.child import command\n"
        "print(*command('agent.host.child')[-1:])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(installed)], capture_output=True, text=True, check=True
    )
    assert repr([str(installed)]) in done.stdout


def test_a_child_that_does_not_answer_is_ended(tmp_path: Path) -> None:
    (tmp_path / "hangs.py").write_text("import threading\nthreading.Event().wait()\n")
    with pytest.raises(subprocess.TimeoutExpired):
        ask_child(tmp_path / "hangs.py", b"", 0.5)


def test_a_child_is_isolated_and_writes_no_byte_code() -> None:
    assert command("agent.x")[1:4] == ["-I", "-S", "-B"]
