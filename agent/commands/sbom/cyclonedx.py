"""What an installation is made of, as a software bill of materials: CycloneDX 1.6, JSON.

    packages of this environment ─┐
                  or of a wheel folder ──► packages, networks, who needs whom ──► sbom.cdx.json

It needs the standard library only, so that a wheel folder can be listed before anything is installed:
``python -m agent.commands.sbom.cyclonedx FOLDER``. On a device it is ``emotion-agent sbom``.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import re
import sys
import sysconfig
import tomllib
import uuid
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.parser import HeaderParser
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from agent.errors import AgentError
from agent.inference.bundle import MANIFEST, default_bundle_folder

if TYPE_CHECKING:
    from email.message import Message

    from agent.domain import Json

SPEC_VERSION: Final = "1.6"
AGENT: Final = "emotion-agent"
_MANIFEST: Final = "agent/bundle/manifest.toml"
_METADATA: Final = re.compile(r"^[^/]+\.dist-info/METADATA$")
_LONGEST_LICENCE_NAME: Final = 80
"""Some packages put a licence's whole text where its name belongs."""


@dataclass(frozen=True, slots=True)
class Package:
    """One Python distribution."""

    name: str
    """Normalised: lower case, words joined by ``-`` (PyPA, "Names and normalization")."""
    version: str
    licence: str
    """Empty where the package doesn't say."""
    licence_is_expression: bool
    """Whether ``licence`` is an SPDX expression."""
    summary: str
    requires: frozenset[str]
    """Normalised names, those of optional parts included."""
    sha256: str = ""
    """Of the wheel; empty for an installed package."""

    @property
    def reference(self) -> str:
        """Package URL, which also names it within the document."""
        return f"pkg:pypi/{self.name}@{self.version}"


def sbom_of_environment() -> str:
    """The packages of this virtual environment (not those of the system behind it) and the agent's networks.

    Raises:
        AgentError: The agent is not installed here.
    """
    folders = sorted({sysconfig.get_path(name) for name in ("purelib", "platlib")})
    found = importlib.metadata.distributions(path=folders)
    headers = [item.read_text("METADATA") or item.read_text("PKG-INFO") or "" for item in found]
    packages = [_package(HeaderParser().parsestr(text)) for text in headers if text]
    manifest = default_bundle_folder() / MANIFEST
    return _document(packages, [manifest.read_text(encoding="utf-8")], "this environment")


def sbom_of_wheels(folder: Path) -> str:
    """The wheels of an offline folder, with their digests, and the networks in the agent's wheel.

    Raises:
        AgentError: The folder has no wheel of the agent, or one that can't be read.
    """
    packages: list[Package] = []
    manifests: list[str] = []
    for path in sorted(folder.glob("*.whl")):
        try:
            with zipfile.ZipFile(path) as wheel:
                names = wheel.namelist()
                header = wheel.read(next(filter(_METADATA.match, names))).decode("utf-8")
                manifests += [wheel.read(name).decode("utf-8") for name in names if name == _MANIFEST]
        except (OSError, StopIteration, UnicodeDecodeError, zipfile.BadZipFile) as error:
            raise AgentError(f"{path} is no wheel ({error}): make the folder anew") from error
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        packages.append(_package(HeaderParser().parsestr(header), digest))
    return _document(packages, manifests, str(folder))


def normalised(name: str) -> str:
    """As package indexes compare names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _package(metadata: Message, sha256: str = "") -> Package:
    """From the fields of core metadata, in any version of it."""
    fields = [(key, str(value)) for key, value in metadata.items()]
    one = {key.lower(): value for key, value in fields}
    expression = one.get("license-expression", "").strip()
    classified = [value.rpartition(" :: ")[2] for _, value in fields if value.startswith("License :: ")]
    written = one.get("license", "").strip()
    is_name = written and "\n" not in written and len(written) <= _LONGEST_LICENCE_NAME
    names = [value for key, value in fields if key.lower() == "requires-dist"]
    return Package(
        name=normalised(one["name"]),
        version=one["version"],
        licence=expression or (written if is_name else " / ".join(classified)),
        licence_is_expression=bool(expression),
        summary=one.get("summary", ""),
        requires=frozenset(normalised(re.split(r"[^A-Za-z0-9._-]", name, maxsplit=1)[0]) for name in names),
        sha256=sha256,
    )


def _document(packages: Iterable[Package], manifests: Sequence[str], place: str) -> str:
    known = {package.name: package for package in packages}
    agent = known.pop(AGENT, None)
    if agent is None:
        raise AgentError(f"{AGENT} is not among the packages of {place}: install it, or name its folder")
    others = [known[name] for name in sorted(known)]
    tables = tomllib.loads(manifests[0]).get("networks", {}) if manifests else {}
    networks = [_network(name, table) for name, table in tables.items()]
    everything = {agent.name: agent, **known}
    metadata: dict[str, Json] = {
        "tools": {"components": [{"type": "application", "name": AGENT, "version": agent.version}]},
        "component": _component(agent, "application"),
    }
    content: dict[str, Json] = {
        "metadata": metadata,
        "components": [*(_component(package, "library") for package in others), *networks],
        "dependencies": [_dependency(package, everything, networks) for package in (agent, *others)],
    }
    # The same content has the same number, whenever and wherever it is listed.
    number = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(content, sort_keys=True))
    metadata["timestamp"] = _now().isoformat(timespec="seconds").replace("+00:00", "Z")
    head = {
        "$schema": f"http://cyclonedx.org/schema/bom-{SPEC_VERSION}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": SPEC_VERSION,
        "serialNumber": number.urn,
        "version": 1,
    }
    return json.dumps({**head, **content}, indent=2, ensure_ascii=False) + "\n"


def _now() -> datetime:
    """A build that is to be reproducible sets the time (reproducible-builds.org, SOURCE_DATE_EPOCH)."""
    fixed = os.environ.get("SOURCE_DATE_EPOCH", "")
    return datetime.fromtimestamp(int(fixed), UTC) if fixed.isdigit() else datetime.now(UTC)


def _component(package: Package, kind: str) -> Json:
    component: dict[str, Json] = {
        "type": kind,
        "bom-ref": package.reference,
        "name": package.name,
        "version": package.version,
        "purl": package.reference,
    }
    if package.summary:
        component["description"] = package.summary
    if package.licence:
        named: Json = {"license": {"name": package.licence}}
        component["licenses"] = [{"expression": package.licence} if package.licence_is_expression else named]
    if package.sha256:
        component["hashes"] = [_sha256(package.sha256)]
    return component


def _sha256(digest: str) -> Json:
    return {"alg": "SHA-256", "content": digest}


def _network(name: str, table: Mapping[str, Any]) -> dict[str, Json]:
    """A network of the bundle, with its files."""
    digests = {file["path"]: file["sha256"] for file in table["files"]}
    for file in table["files"]:
        if "weights_sha256" in file:
            digests[str(Path(file["path"]).with_suffix(".bin"))] = file["weights_sha256"]
    return {
        "type": "machine-learning-model",
        "bom-ref": f"network:{name}",
        "name": name,
        "description": f"{table['task']}; trained on: {', '.join(table['training_data']) or 'not told'}",
        "licenses": [{"license": {"name": table["licence"]}}],
        "components": [
            {"type": "file", "bom-ref": f"network:{name}/{path}", "name": path, "hashes": [_sha256(digest)]}
            for path, digest in digests.items()
        ],
    }


def _dependency(
    package: Package, everything: Mapping[str, Package], networks: Sequence[Mapping[str, Json]]
) -> Json:
    needed = [everything[name].reference for name in sorted(package.requires & everything.keys())]
    if package.name == AGENT:
        needed += [str(network["bom-ref"]) for network in networks]
    return {"ref": package.reference, "dependsOn": needed}


if __name__ == "__main__":
    sys.stdout.write(sbom_of_wheels(Path(sys.argv[1])))
