"""What an earlier start chose is opened, or chosen anew once: a stale choice must not keep the agent off."""

from __future__ import annotations

import json
import logging
import shutil
import sys
from typing import TYPE_CHECKING, Any

import pytest

from agent.errors import AgentError
from agent.inference.choice.cache import FILE_NAME
from agent.inference.networks import Networks, choose_networks
from agent.settings import AgentSettings, DeploymentSettings, ModelsSettings, ReplaySource
from tests.support.backend_fixtures import FAMILY
from tests.support.signing_fixtures import signer_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agent.inference.bundle.manifest import Bundle

pytestmark = pytest.mark.slow


@pytest.fixture(name="settings")
def settings_fixture(bundle: Bundle, tmp_path: Path) -> AgentSettings:
    """Of an agent whose bundle a test may change."""
    folder = tmp_path / "bundle"
    shutil.copytree(bundle.folder, folder)
    models = ModelsSettings(
        bundle=folder,
        detector=FAMILY,
        backend="onnxruntime",
        threads=1,
        trusted_keys=(signer_of(bundle.folder),),
    )
    return AgentSettings(
        deployment=DeploymentSettings(site="lab", device="box", context="research"),
        sources={"door": ReplaySource(type="replay", path=folder)},
        models=models,
    )


def start(settings: AgentSettings, tmp_path: Path) -> tuple[Networks, bool]:
    """And whether the choice is an earlier start's."""
    networks, choice = choose_networks(settings, tmp_path / "state")
    for network in (*networks.detectors, networks.classifier):
        assert network is not None
        network.network.run()
        network.network.close()
    return networks, choice.cached


def kept_as(tmp_path: Path, **fields: Any) -> None:
    """Let all trials that were kept say this."""
    path = tmp_path / "state" / FILE_NAME
    content = json.loads(path.read_text())
    content["trials"] = [trial | fields for trial in content["trials"]]
    path.write_text(json.dumps(content))


def device_is_gone(tmp_path: Path, _monkeypatch: pytest.MonkeyPatch) -> None:
    kept_as(tmp_path, device="cuda")


def backend_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept_as(tmp_path, backend="litert", precision="int8")
    monkeypatch.setitem(sys.modules, "agent.inference.backends.litert_runtime", None)


def backend_is_unheard_of(tmp_path: Path, _monkeypatch: pytest.MonkeyPatch) -> None:
    kept_as(tmp_path, backend="abacus")


def file_is_gone(tmp_path: Path, _monkeypatch: pytest.MonkeyPatch) -> None:
    content = json.loads((tmp_path / "state" / FILE_NAME).read_text())
    best = min(content["trials"], key=lambda trial: trial["ms"])
    for path in (tmp_path / "bundle").glob(f"*.{best['precision']}.onnx"):
        path.unlink()


def nothing_was_tried(tmp_path: Path, _monkeypatch: pytest.MonkeyPatch) -> None:
    kept_as(tmp_path, outcome="missing")


@pytest.mark.parametrize(
    ("lose", "is_said"),
    [
        (device_is_gone, True),
        (backend_is_gone, True),
        (backend_is_unheard_of, True),
        (file_is_gone, True),
        (nothing_was_tried, False),
    ],
)
def test_a_kept_choice_that_cannot_be_opened_is_made_anew_and_kept(
    lose: Callable[[Path, pytest.MonkeyPatch], None],
    settings: AgentSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    *,
    is_said: bool,
) -> None:
    assert [start(settings, tmp_path)[1] for _ in range(2)] == [False, True]
    lose(tmp_path, monkeypatch)
    with caplog.at_level(logging.WARNING):
        networks, cached = start(settings, tmp_path)
    assert not cached
    assert networks.detectors[0].file.backend == "onnxruntime"
    said = [record.message for record in caplog.records if "backends are tried again" in record.message]
    assert len(said) == int(is_said)
    assert start(settings, tmp_path)[1]


def test_when_the_new_choice_fails_too_that_is_the_error(settings: AgentSettings, tmp_path: Path) -> None:
    start(settings, tmp_path)
    for path in (tmp_path / "bundle").glob("*.onnx"):
        path.unlink()
    with pytest.raises(AgentError, match="can't read model file"):
        start(settings, tmp_path)
