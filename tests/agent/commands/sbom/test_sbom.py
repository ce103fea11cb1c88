"""The bill of materials names everything that is installed, and is what the standard says it has to be."""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from agent.cli import app
from agent.commands.sbom.cyclonedx import normalised, sbom_of_environment, sbom_of_wheels
from agent.errors import AgentError
from agent.inference.bundle.manifest import Bundle
from agent.inference.bundle.place import default_bundle_folder
from tests.support.installed_box import make_wheel
from tests.support.places import ROOT

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def installed() -> dict[str, Any]:
    """Of the environment that runs the tests."""
    document: dict[str, Any] = json.loads(sbom_of_environment())
    return document


def names(requirements: list[str]) -> set[str]:
    return {normalised(re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0]) for line in requirements}


def components(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {component["name"]: component for component in document["components"]}


def test_every_runtime_dependency_is_listed_in_its_installed_version(installed: dict[str, Any]) -> None:
    wanted = names(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"])
    listed = components(installed)
    assert wanted <= listed.keys()
    for name in wanted:
        assert listed[name]["version"] == importlib.metadata.version(name)
        assert listed[name]["purl"] == f"pkg:pypi/{name}@{listed[name]['version']}"
        assert listed[name]["licenses"]


def test_what_the_dependencies_need_is_listed_too_and_who_needs_it(installed: dict[str, Any]) -> None:
    edges = {edge["ref"]: edge["dependsOn"] for edge in installed["dependencies"]}
    known = {installed["metadata"]["component"]["bom-ref"], *(c["bom-ref"] for c in installed["components"])}
    assert {reference for needed in edges.values() for reference in needed} <= known
    version = importlib.metadata.version
    for upper, lower in (("emotion-agent", "pydantic"), ("pydantic", "pydantic-core"), ("cffi", "pycparser")):
        assert f"pkg:pypi/{lower}@{version(lower)}" in edges[f"pkg:pypi/{upper}@{version(upper)}"]


def test_the_networks_are_listed_with_the_digest_of_every_file(installed: dict[str, Any]) -> None:
    listed = components(installed)
    for name, entry in Bundle.load(default_bundle_folder()).manifest.networks.items():
        files = {part["name"]: part["hashes"][0]["content"] for part in listed[name]["components"]}
        assert listed[name]["type"] == "machine-learning-model"
        for file in entry.files:
            assert files[file.path] == file.sha256
            if file.weights_sha256 is not None:
                assert file.weights_sha256 in files.values()


def wheel_folder(folder: Path) -> Path:
    make_wheel(folder, "1.2.3")
    return folder


@pytest.mark.slow
def test_a_wheel_folder_is_listed_with_the_digests_that_the_install_checks(tmp_path: Path) -> None:
    document = json.loads(sbom_of_wheels(wheel_folder(tmp_path)))
    agent = document["metadata"]["component"]
    digest = subprocess.run(
        ["sha256sum", str(next(tmp_path.glob("*.whl")))], capture_output=True, text=True, check=True
    ).stdout.split()[0]
    assert (agent["name"], agent["version"]) == ("emotion-agent", "1.2.3")
    assert agent["hashes"] == [{"alg": "SHA-256", "content": digest}]


@pytest.mark.parametrize("content", [b"", b"no zip file"])
def test_a_broken_wheel_and_an_empty_folder_are_one_sentence(tmp_path: Path, content: bytes) -> None:
    if content:
        (tmp_path / "broken-1.0-py3-none-any.whl").write_bytes(content)
    with pytest.raises(AgentError, match="is no wheel" if content else "is not among the packages"):
        sbom_of_wheels(tmp_path)


@pytest.mark.slow
def test_the_document_satisfies_the_published_schema(installed: dict[str, Any], tmp_path: Path) -> None:
    validation = pytest.importorskip(
        "cyclonedx.validation.json", reason="install the dev extra for cyclonedx-python-lib"
    )
    from cyclonedx.schema import SchemaVersion  # noqa: PLC0415 - after the skip

    validator = validation.JsonStrictValidator(SchemaVersion.V1_6)
    for text in (json.dumps(installed), sbom_of_wheels(wheel_folder(tmp_path))):
        assert validator.validate_str(text) is None


def test_the_same_content_has_the_same_number_and_a_fixed_time_makes_it_reproducible(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    first, second = (sbom_of_wheels(wheel_folder(tmp_path)) for _ in range(2))
    assert first == second
    assert json.loads(first)["metadata"]["timestamp"] == "2023-11-14T22:13:20Z"
    make_wheel(tmp_path, "1.2.3", "refuses")
    assert json.loads(sbom_of_wheels(tmp_path))["serialNumber"] != json.loads(first)["serialNumber"]


@pytest.mark.slow
def test_a_folder_can_be_listed_with_nothing_installed(tmp_path: Path) -> None:
    """As make_wheelhouse.sh does: an interpreter without any package."""
    command = [sys.executable, "-S", "-m", "agent.commands.sbom.cyclonedx", str(wheel_folder(tmp_path))]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert json.loads(done.stdout)["bomFormat"] == "CycloneDX"


def test_the_command_prints_it(installed: dict[str, Any]) -> None:
    done = CliRunner().invoke(app, ["sbom"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["serialNumber"] == installed["serialNumber"]
