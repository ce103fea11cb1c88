"""Promises of the choice at start: real candidates in real child processes, some of them made to fail."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import pytest

from agent.errors import BackendError, ModelError
from agent.host import child
from agent.inference.bundle.manifest import Bundle
from agent.inference.choice.cache import FILE_NAME
from agent.inference.choice.choose import TrialOptions, decide, load_pick, make_choice
from agent.inference.choice.trial import Request, Trial
from agent.inference.choice.trying import probe_backend
from agent.settings import ModelsSettings
from tests.support.backend_fixtures import EMOTION, FACE, network_file
from tests.support.network_fixtures import write_onnx
from tests.support.places import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from agent.inference.choice.choose import Choice

for _package in ("openvino", "ai_edge_litert"):
    pytest.importorskip(_package, reason=f"{_package} is not installed: pip install '.[openvino,litert]'")

SETTINGS = ModelsSettings(threads=1)
ONE_BACKEND = SETTINGS.model_copy(update={"backend": "onnxruntime"})
QUICK = TrialOptions(seconds=0.01)
PACKAGES = {
    "onnxruntime": ("onnxruntime",),
    "openvino": ("openvino",),
    "litert": ("ai_edge_litert", "tflite_runtime"),
}


def quick(bundle: Bundle, state_dir: Path | None, settings: ModelsSettings = SETTINGS, **more: Any) -> Choice:
    return make_choice(bundle, settings, state_dir, 100.0, options=QUICK, **more)


def outcomes(choice: Choice, backend: str) -> set[str]:
    return {row.trial.outcome for row in choice.rows if row.trial.backend == backend}


@pytest.fixture(name="replace_package")
def replace_package_fixture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Puts a package of that name before the installed one, in child processes only."""

    def replace(name: str, code: str) -> None:
        folder = tmp_path / "replaced" / name
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text(textwrap.dedent(code))
        monkeypatch.setattr(child, "product_path", lambda: [str(tmp_path / "replaced"), str(ROOT)])

    return replace


@pytest.mark.slow
def test_every_file_is_tried_and_one_runtime_wins_every_network(bundle: Bundle, tmp_path: Path) -> None:
    choice = quick(bundle, tmp_path)
    tried = {(row.trial.network, row.trial.backend, row.trial.precision) for row in choice.rows}
    networks = bundle.manifest.networks
    assert tried == {(name, f.backend, f.precision) for name in (FACE, EMOTION) for f in networks[name].files}
    assert {row.trial.outcome for row in choice.rows} == {"agrees"}
    assert choice.classifier is not None
    assert choice.detectors[0].backend == choice.classifier.backend
    assert [row.trial.network for row in choice.rows if row.chosen] == [FACE, EMOTION]
    assert all(row.verdict for row in choice.rows)
    loaded = load_pick(bundle, choice.detectors[0], threads=1)
    assert len(loaded.network.run()) == 3


@pytest.mark.slow
@pytest.mark.parametrize("backend", list(PACKAGES))
def test_without_one_backend_the_next_best_is_taken_and_the_row_says_why(
    bundle: Bundle, tmp_path: Path, replace_package: Any, backend: str
) -> None:
    for package in PACKAGES[backend]:
        replace_package(package, "raise ModuleNotFoundError('not installed here')")
    choice = quick(bundle, tmp_path)
    assert outcomes(choice, backend) == {"missing"}
    assert choice.detectors[0].backend != backend
    (row,) = (row for row in choice.rows if row.trial.backend == backend)
    assert f"pip install 'emotion-agent[{backend}]'" in row.verdict


@pytest.mark.slow
def test_a_backend_that_segfaults_costs_its_row_and_nothing_else(
    bundle: Bundle, tmp_path: Path, replace_package: Any
) -> None:
    replace_package("openvino", "import ctypes; ctypes.string_at(0)")
    choice = quick(bundle, tmp_path)
    (row,) = (row for row in choice.rows if row.trial.backend == "openvino")
    assert row.trial.outcome == "crashed"
    assert "SIGSEGV" in row.verdict
    assert choice.detectors[0].backend != "openvino"


@pytest.mark.slow
def test_a_file_that_segfaults_when_run_costs_its_row_only(bundle: Bundle, replace_package: Any) -> None:
    """The next file of the same backend is tried all the same, in a new child."""
    replace_package(
        "openvino",
        f"""
        import ctypes, sys

        class Core:
            available_devices = ["CPU"]

            def read_model(self, network, weights):
                if len(network) == {(bundle.folder / f"{FACE}.fp32.onnx").stat().st_size}:
                    ctypes.string_at(0)
                raise RuntimeError("no such network")
        """,
    )
    items = ((FACE, "fp32"), (EMOTION, "fp32"))
    trials = list(probe_backend(Request(str(bundle.folder), "openvino", 1, 0.01, items, bundle.sha256)))
    assert [(trial.network, trial.outcome) for trial in trials] == [(FACE, "crashed"), (EMOTION, "failed")]


@pytest.mark.slow
def test_a_backend_that_hangs_is_ended_and_the_next_best_is_taken(
    bundle: Bundle, replace_package: Any
) -> None:
    replace_package("openvino", "import threading; threading.Event().wait()")
    items = ((FACE, "fp32"), (EMOTION, "fp32"))
    request = Request(str(bundle.folder), "openvino", 1, 0.01, items, bundle.sha256)
    hung = list(probe_backend(request, item_timeout_s=1.0))
    assert [trial.outcome for trial in hung] == ["hung"]
    healthy = probe_backend(Request(str(bundle.folder), "onnxruntime", 1, 0.01, items, bundle.sha256))
    choice = decide([*hung, *healthy], (FACE,), EMOTION, 100.0, cached=False)
    assert choice.detectors[0].backend == "onnxruntime"
    assert "no answer for 1 s" in choice.rows[0].verdict


@pytest.mark.slow
def test_a_file_that_answers_wrong_loses_however_fast_it_is(bundle: Bundle, tmp_path: Path) -> None:
    """Right digest, right shapes, wrong numbers."""
    folder = tmp_path / "bundle"
    shutil.copytree(bundle.folder, folder)
    maps = [(f"out_{size}", (1, 5, size, size)) for size in (8, 4, 2)]
    wrong = write_onnx(folder / "wrong.onnx", (1, 64, 64, 3), maps)
    entry = bundle.manifest.networks[FACE]
    files = tuple(
        network_file("openvino", "fp32", wrong) if file.backend == "openvino" else file
        for file in entry.files
    )
    networks = {**bundle.manifest.networks, FACE: entry.model_copy(update={"files": files})}
    write_manifest(Bundle(folder, bundle.manifest.model_copy(update={"networks": networks})))
    choice = quick(Bundle.load(folder), tmp_path / "state")
    (row,) = (r for r in choice.rows if (r.trial.network, r.trial.backend) == (FACE, "openvino"))
    assert row.trial.outcome == "disagrees"
    assert "differ from the bundle's reference" in row.verdict
    assert choice.detectors[0].backend != "openvino"


@pytest.mark.slow
def test_a_manifest_exchanged_after_its_signature_was_checked_is_not_tried(
    bundle: Bundle, tmp_path: Path
) -> None:
    folder = tmp_path / "bundle"
    shutil.copytree(bundle.folder, folder)
    checked = Bundle.load(folder)
    with (folder / "manifest.toml").open("a") as file:
        file.write("\n")
    with pytest.raises(BackendError, match="has changed since it was checked"):
        quick(checked, tmp_path / "state", ONE_BACKEND)


def write_manifest(bundle: Bundle) -> None:
    tomli_w = pytest.importorskip("tomli_w", reason="tomli-w is not installed: pip install '.[quantize]'")
    plain = json.loads(bundle.manifest.model_dump_json(exclude_none=True))
    (bundle.folder / "manifest.toml").write_text(tomli_w.dumps(plain))


@pytest.mark.slow
def test_when_nothing_runs_the_error_names_every_reason(
    bundle: Bundle, tmp_path: Path, replace_package: Any
) -> None:
    for packages in PACKAGES.values():
        for package in packages:
            replace_package(package, "raise ModuleNotFoundError('gone')")
    with pytest.raises(BackendError, match="run emotion-agent doctor") as caught:
        quick(bundle, tmp_path)
    assert all(f"backend {backend} can't be imported" in str(caught.value) for backend in PACKAGES)
    assert caught.value.exit_code == 4
    assert not (tmp_path / FILE_NAME).exists()


@pytest.mark.slow
def test_a_kept_choice_starts_no_child_and_reselect_does(
    bundle: Bundle, tmp_path: Path, replace_package: Any
) -> None:
    first = quick(bundle, tmp_path / "made" / "for it", ONE_BACKEND)
    assert not first.cached
    for packages in PACKAGES.values():
        for package in packages:
            replace_package(package, "raise ModuleNotFoundError('gone')")
    second = quick(bundle, tmp_path / "made" / "for it", ONE_BACKEND)
    assert second.cached
    assert (second.detectors, second.classifier, second.rows) == (
        first.detectors,
        first.classifier,
        first.rows,
    )
    with pytest.raises(BackendError):
        quick(bundle, tmp_path / "made" / "for it", ONE_BACKEND, reselect=True)


@pytest.mark.slow
def test_other_circumstances_make_a_new_choice(bundle: Bundle, tmp_path: Path, replace_package: Any) -> None:
    """A changed manifest, thread count or wish: a child that can import nothing shows it was asked."""
    quick(bundle, tmp_path, ONE_BACKEND)
    for packages in PACKAGES.values():
        for package in packages:
            replace_package(package, "raise ModuleNotFoundError('gone')")
    folder = tmp_path / "bundle"
    shutil.copytree(bundle.folder, folder)
    with (folder / "manifest.toml").open("a") as file:
        file.write("\n# another digest\n")
    with pytest.raises(BackendError):
        quick(Bundle.load(folder), tmp_path, ONE_BACKEND)
    for change in ({"threads": 2}, {"backend": "auto"}):
        with pytest.raises(BackendError):
            quick(bundle, tmp_path, ONE_BACKEND.model_copy(update=change))


@pytest.mark.slow
@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe", b"[]", b'{"circumstances": {}}', b'{"circumstances": 1, "trials": [{"x": 1}]}'],
)
def test_an_unreadable_cache_is_ignored_and_written_anew(
    bundle: Bundle, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    choice = quick(bundle, tmp_path, ONE_BACKEND)
    assert not choice.cached
    assert json.loads((tmp_path / FILE_NAME).read_text())["trials"]
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


@pytest.mark.slow
def test_trials_that_make_no_sense_are_made_again(bundle: Bundle, tmp_path: Path) -> None:
    """Right circumstances, but fields of the wrong kind."""
    quick(bundle, tmp_path, ONE_BACKEND)
    content = json.loads((tmp_path / FILE_NAME).read_text())
    content["trials"][0]["ms"] = "fast"
    (tmp_path / FILE_NAME).write_text(json.dumps(content))
    assert not quick(bundle, tmp_path, ONE_BACKEND).cached
    assert quick(bundle, tmp_path, ONE_BACKEND).cached


@pytest.mark.slow
def test_a_state_directory_that_cannot_be_written_is_said_and_tolerated(
    bundle: Bundle, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    with caplog.at_level(logging.INFO):
        choice = quick(bundle, tmp_path / "file" / "state", ONE_BACKEND)
    assert choice.detectors
    assert [record for record in caplog.records if "can't be kept" in record.message]


@pytest.mark.slow
def test_without_a_state_directory_nothing_is_kept(bundle: Bundle) -> None:
    assert not quick(bundle, None, ONE_BACKEND).cached
    assert not quick(bundle, None, ONE_BACKEND).cached


@pytest.mark.slow
def test_where_nothing_is_left_to_choose_nothing_is_tried(
    bundle: Bundle, tmp_path: Path, replace_package: Any
) -> None:
    replace_package("onnxruntime", "raise ModuleNotFoundError('gone')")
    settings = SETTINGS.model_copy(update={"backend": "onnxruntime", "precision": "fp32"})
    choice = quick(bundle, tmp_path, settings)
    assert (choice.detectors[0].backend, choice.detectors[0].precision) == ("onnxruntime", "fp32")
    assert not list(tmp_path.glob(FILE_NAME))


@pytest.mark.slow
def test_a_precision_that_the_bundle_lacks_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"backend": "litert", "precision": "fp32"})
    with pytest.raises(ModelError, match="no fp32 file"):
        quick(bundle, tmp_path, settings)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed: apt-get install strace")
def test_choosing_writes_one_file_and_talks_to_nobody(bundle: Bundle, tmp_path: Path) -> None:
    """Children included, of all backends."""
    log, state = tmp_path / "trace", tmp_path / "state"
    program = (
        "from pathlib import Path\n"
        "from agent.inference.bundle.manifest import Bundle\n"
        "from agent.inference.choice.choose import TrialOptions, make_choice\n"
        "from agent.settings import ModelsSettings\n"
        "settings = ModelsSettings(threads=1)\n"
        f"bundle = Bundle.load(Path({str(bundle.folder)!r}))\n"
        f"make_choice(bundle, settings, Path({str(state)!r}), 100.0, options=TrialOptions(0.01))\n"
    )
    watched = "trace=openat,open,creat,mkdir,mkdirat,connect,sendto,sendmsg"
    traced = ["strace", "-f", "-qq", "-o", str(log), "-e", watched, sys.executable, "-B", "-c", program]
    environment = {**os.environ, "HOME": str(tmp_path / "home")}
    subprocess.run(traced, check=True, env=environment)
    lines = log.read_text().splitlines()
    written = [line for line in lines if any(flag in line for flag in ("O_WRONLY", "O_RDWR", "O_CREAT"))]
    assert not [line for line in written if str(state / FILE_NAME) not in line]
    assert not [line for line in lines if "AF_INET" in line]
    assert [path.name for path in state.iterdir()] == [FILE_NAME]


def trial(network: str, backend: str, ms: float, precision: str = "int8", **fields: Any) -> Trial:
    return Trial(network, backend, fields.pop("device", "cpu"), precision, "agrees", ms=ms, **fields)


def test_one_runtime_for_all_networks_beats_a_mixture() -> None:
    """A second runtime would cost tens of megabytes for fractions of a millisecond."""
    trials = [
        trial("big", "openvino", 1.0),
        trial("face", "openvino", 0.5),
        trial("big", "onnxruntime", 1.4),
        trial("face", "onnxruntime", 0.3),
    ]
    choice = decide(trials, ("big",), "face", 100.0, cached=False)
    assert choice.classifier is not None
    assert (choice.detectors[0].backend, choice.classifier.backend) == ("openvino", "openvino")


def test_networks_mix_runtimes_only_where_none_has_them_all() -> None:
    trials = [trial("big", "openvino", 1.0), trial("face", "litert", 0.5)]
    choice = decide(trials, ("big",), "face", 100.0, cached=False)
    assert choice.classifier is not None
    assert (choice.detectors[0].backend, choice.classifier.backend) == ("openvino", "litert")


def test_at_a_near_tie_the_backend_every_device_has_is_kept() -> None:
    trials = [trial("big", "onnxruntime", 1.00), trial("big", "openvino", 0.98)]
    assert decide(trials, ("big",), None, 100.0, cached=False).detectors[0].backend == "onnxruntime"


@pytest.mark.parametrize(("budget_ms", "tier", "fits"), [(100.0, 0, True), (30.0, 1, True), (5.0, 2, False)])
def test_the_agent_starts_at_the_most_accurate_tier_that_fits(
    budget_ms: float, tier: int, *, fits: bool
) -> None:
    trials = [trial("large", "x", 40.0), trial("medium", "x", 12.0), trial("small", "x", 6.0)]
    choice = decide(trials, ("large", "medium", "small"), None, budget_ms, cached=False)
    assert (choice.start_tier, choice.fits) == (tier, fits)


def test_a_tier_that_costs_no_less_than_a_better_one_is_left_out() -> None:
    trials = [trial("large", "x", 10.0), trial("medium", "x", 11.0), trial("small", "x", 5.0)]
    choice = decide(trials, ("large", "medium", "small"), None, 100.0, cached=False)
    assert [tier.network for tier in choice.detectors] == ["large", "small"]


def test_an_accelerator_is_a_runtime_of_its_own() -> None:
    trials = [trial("big", "openvino", 9.0), trial("big", "openvino", 2.0, device="gpu")]
    choice = decide(trials, ("big",), None, 100.0, cached=False)
    assert choice.detectors[0].device == "gpu"
    assert "openvino int8 on gpu" in choice.rows[0].verdict
