"""Peers are compared where they are installed, and said to be left out where they are not."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("skimage", reason="the clips are drawn with scikit-image: pip install '.[demo]'")
from agent.settings import ModelsSettings
from agent.synthetic import crowd as clip
from models.evaluation.findings import Findings
from models.evaluation.peers.compare import (
    FACES,
    Peer,
    PeersAsked,
    Shown,
    _judged,
    compare_peers,
    peer_sheet,
)
from tests.support.backend_fixtures import bundle_fixture
from tests.support.places import ROOT
from tests.support.signing_fixtures import signer_of

if TYPE_CHECKING:
    from pathlib import Path

    from agent.inference.bundle.manifest import Bundle

__all__ = ["bundle_fixture"]

pytestmark = pytest.mark.slow

LEFT_OUT = Peer("YuNet + our classifier", "left out: give --yunet")
OURS = Peer("emotion-agent", "onnxruntime fp32", Shown(8.0, 1.0, 0.75))


def compared(bundle: Bundle, python: str) -> tuple[Peer, ...]:
    models = ModelsSettings(
        bundle=bundle.folder,
        trusted_keys=(signer_of(bundle.folder),),
        backend="onnxruntime",
        precision="int8_u8s8",
        threads=1,
    )
    return compare_peers(PeersAsked(python), models)


def test_a_peer_that_is_not_installed_is_said_and_left_out(bundle: Bundle, tmp_path: Path) -> None:
    ours, yunet, fer = compared(bundle, str(tmp_path / "no-python"))
    assert [peer.name for peer in (ours, yunet, fer)] == [
        "emotion-agent",
        "YuNet + our classifier",
        "fer package",
    ]
    assert ours.shown is not None
    assert ours.shown.ms > 0.0
    assert "--yunet" in yunet.note
    assert "left out" in fer.note


def test_the_fer_package_is_run_by_another_interpreter(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package of that name that reports one face, where the clip's first one is, as happy."""
    first = clip.draw_crowd(FACES).faces[0][0]
    box = [round(first.left), round(first.top), round(first.width), round(first.height)]
    package = tmp_path / "fer"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "fer.py").write_text(
        textwrap.dedent(
            f"""
            class FER:
                def detect_emotions(self, frame):
                    assert frame.shape == (480, 640, 3)
                    return [{{"box": {box}, "emotions": {{"happy": 0.9, "sad": 0.1}}}}]
            """
        )
    )
    folder = tmp_path / "fer-25.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: fer\nVersion: 25.0\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    peer = compared(bundle, sys.executable)[2]
    assert peer.note == "fer 25.0"
    assert peer.shown is not None
    assert peer.shown.found == pytest.approx(1 / FACES, abs=0.01)
    assert peer.shown.right == peer.shown.found


def test_the_script_for_the_other_interpreter_imports_nothing_of_ours() -> None:
    script = ROOT / "models" / "evaluation" / "peers" / "fer.py"
    imported = {
        line.split()[1].split(".")[0]
        for line in script.read_text().splitlines()
        if line.strip().startswith(("import ", "from "))
    }
    assert not imported & {"agent", "models", "quantize"}


def test_counts_are_compared_frame_by_frame_wherever_a_face_was_seen() -> None:
    seen = [(("anger", "fear"), ["fear"]), (("fear",), ["sadness", "sadness"])]
    assert _judged(seen, 2.0) == Shown(2.0, found=2 / 3, right=1 / 3)


def test_rows_are_the_same_in_the_table_and_in_the_json() -> None:
    peers = (OURS, LEFT_OUT)
    assert peer_sheet(peers).rows == (
        ("emotion-agent", "8.0", "125", "100%", "75%", "onnxruntime fp32"),
        ("YuNet + our classifier", "", "", "", "", "left out: give --yunet"),
    )
    assert json.loads(json.dumps(Findings(peers=peers).as_json())) == {
        "peers": [
            {"name": "emotion-agent", "ms": 8.0, "found": 1.0, "right": 0.75, "note": "onnxruntime fp32"},
            {"name": "YuNet + our classifier", "note": "left out: give --yunet"},
        ]
    }


def test_evaluate_compares_the_shipped_bundle_without_data_and_says_how_to_add_a_peer(tmp_path: Path) -> None:
    models = [sys.executable, "-m", "models", "evaluate"]
    asked = ["--peers", "--data", str(tmp_path), "--peer-python", str(tmp_path / "no-python"), "--json"]
    done = subprocess.run([*models, *asked], cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["peers"][0]["name"] == "emotion-agent"
    shown = subprocess.run(
        [*models, "--help"], cwd=ROOT, capture_output=True, text=True, check=True, env={"COLUMNS": "200"}
    )
    assert "--peer-python" in shown.stdout
    assert "pip install fer" in shown.stdout
