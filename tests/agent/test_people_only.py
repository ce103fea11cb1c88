"""An agent that counts people or a line infers no expression: it loads no network for it, and names none."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from agent.contract.windows import CrossingsMessage, PeopleMessage
from agent.domain import LABELS
from agent.inference.bundle.place import default_bundle_folder
from agent.inference.networks import choose_networks, load_networks
from agent.settings import AgentSettings, DeploymentSettings, ModelsSettings, ReplaySource
from tests.support.agent_process import AgentProcess, replay, write_config
from tests.support.contract import check_contract
from tests.support.mosquitto_fixtures import Broker, Recorder

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.mosquitto_fixtures import Record

ROOT = "emotion-agent/v1/lab/box-1"
LINE = {"counting": '"line"', "line": "[0.5, 1.0, 0.5, 0.0]"}


@pytest.fixture
def faces_only(tmp_path: Path) -> Path:
    """The bundle without the files of any network that tells an expression."""
    folder = tmp_path / "bundle"
    shutil.copytree(default_bundle_folder(), folder)
    files = [path for path in folder.rglob("*emotion*") if path.is_file()]
    assert files
    for path in files:
        path.unlink()
    return folder


def words_of_expressions(records: list[Record]) -> list[str]:
    """Found in any topic or payload, but for the one that says that there are none."""
    found = []
    for record in records:
        text = f"{record.topic} {record.payload.decode()}".replace('"expressions":false', "")
        found += [word for word in (*LABELS, "xpression", "dominant", "mobilenet") if word in text]
    return found


def test_a_people_only_agent_never_publishes_a_word_about_expressions(
    broker: Broker, clip: Path, tmp_path: Path, faces_only: Path
) -> None:
    extra = f'[models]\nbundle = "{faces_only}"\nclassifier = "none"\n[homeassistant]\ndiscovery = true\n'
    config = write_config(tmp_path, replay(clip, realtime=False), broker.port, extra=extra)
    with (
        Recorder(broker) as recorder,
        AgentProcess(config, program="tests.support.film_agent") as agent,
    ):
        recorder.wait_for(lambda _: recorder.on("health"))
        (tmp_path / "begin").touch()
        assert agent.wait() == 0, agent.log
        recorder.wait_for(lambda records: records and records[-1].payload == b"offline")
    ours = [record for record in recorder.records if record.topic.startswith("emotion-agent/")]
    assert {record.topic for record in ours} == {
        f"{ROOT}/{leaf}" for leaf in ("availability", "birth", "people/door", "health")
    }
    assert recorder.on("config"), "Home Assistant was told"
    assert words_of_expressions(recorder.records) == []
    assert check_contract(ours) == len(ours)
    birth = recorder.on("birth")[-1].json
    assert (birth["expressions"], birth["models"]["classifier"]) == (False, None)
    windows = [PeopleMessage.model_validate_json(record.payload) for record in recorder.on("people")]
    assert [window.seq for window in windows] == list(range(5))
    assert max(window.people or 0 for window in windows) >= 1


def test_a_line_alone_infers_nothing_and_tells_crossings(
    broker: Broker, clip: Path, tmp_path: Path, faces_only: Path
) -> None:
    config = write_config(
        tmp_path, replay(clip, **LINE), broker.port, extra=f'[models]\nbundle = "{faces_only}"\n'
    )
    with Recorder(broker) as recorder, AgentProcess(config) as agent:
        assert agent.wait() == 0, agent.log
        recorder.wait_for(lambda records: records and records[-1].payload == b"offline")
    assert words_of_expressions(recorder.records) == []
    assert check_contract(recorder.records) == len(recorder.records)
    assert not [*recorder.on("counts"), *recorder.on("people")]
    birth = recorder.on("birth")[-1].json
    assert (birth["expressions"], birth["lines"]) == (False, ["door"])
    windows = [CrossingsMessage.model_validate_json(record.payload) for record in recorder.on("crossings")]
    assert [window.seq for window in windows] == list(range(len(windows)))
    assert all(not window.suppressed for window in windows)


@pytest.mark.slow
@pytest.mark.parametrize("detector", ["yolo_face_pico", "yolo_emotion_nano"])
def test_no_network_for_expressions_is_opened(tmp_path: Path, faces_only: Path, detector: str) -> None:
    """With a single-stage detector none is beside it anyway; it serves as a face detector."""
    single = detector == "yolo_emotion_nano"
    settings = AgentSettings(
        deployment=DeploymentSettings(site="lab", device="box", context="research"),
        sources={"door": ReplaySource(type="replay", path=tmp_path)},
        models=ModelsSettings(
            bundle=default_bundle_folder() if single else faces_only,
            detector=detector,
            classifier="none",
            backend="onnxruntime",
            precision="fp32",
            threads=1,
        ),
    )
    chosen, choice = choose_networks(settings, None)
    for networks in (load_networks(settings), chosen):
        assert networks.classifier is None
        for network in networks.detectors:
            network.network.close()
    assert choice.classifier is None
