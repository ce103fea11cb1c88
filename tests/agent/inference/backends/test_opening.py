"""The right file for this CPU is loaded, and only if it is the one that the manifest means."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from agent.errors import BackendError, ModelError
from agent.host.cpu import default_threads, read_cpu_flags
from agent.inference.backends.opening import choose_file, load_network, precision_order
from agent.inference.bundle import place
from agent.inference.bundle.manifest import Bundle, Manifest
from agent.inference.bundle.place import default_bundle_folder
from tests.support.network_fixtures import SCENE, make_entry, make_file, write_onnx

if TYPE_CHECKING:
    from pathlib import Path

    from agent.inference.network import LoadedNetwork

ALL = ("fp32", "int8_u8s8", "int8_s8s8")
VNNI = frozenset({"avx2", "avx512_vnni"})
LAPTOP = frozenset({"avx2", "avx_vnni"})
OLD_X86 = frozenset({"avx2"})
PI5 = frozenset({"asimd", "asimddp"})
PI4 = frozenset({"asimd", "crc32"})


def entry_with(*precisions: str) -> Any:
    files = tuple(make_file(f"{precision}.onnx", precision) for precision in precisions)
    return make_entry(SCENE, files=files)


@pytest.mark.parametrize(
    ("flags", "precisions", "chosen"),
    [
        (VNNI, ALL, "int8_u8s8"),
        (LAPTOP, ALL, "int8_u8s8"),
        (PI5, ALL, "int8_s8s8"),
        (OLD_X86, ALL, "fp32"),
        (PI4, ALL, "fp32"),
        (frozenset(), ALL, "fp32"),
        (VNNI, ("fp32", "int8_s8s8"), "int8_s8s8"),
        (PI5, ("fp32", "int8_u8s8"), "int8_u8s8"),
        (VNNI, ("fp32",), "fp32"),
        (PI4, ("int8_u8s8",), "int8_u8s8"),
    ],
)
def test_precision_follows_the_cpus_instructions(
    flags: frozenset[str], precisions: tuple[str, ...], chosen: str
) -> None:
    entry = entry_with(*precisions)
    file = choose_file("net", entry, backend="auto", precision="auto", cpu_flags=flags)
    assert file.precision == chosen


@pytest.mark.parametrize("precision", ALL)
def test_configured_precision_is_taken_whatever_the_cpu(precision: str) -> None:
    for flags in (VNNI, PI4):
        file = choose_file(
            "net", entry_with(*ALL), backend="onnxruntime", precision=precision, cpu_flags=flags
        )
        assert file.precision == precision


def test_missing_precision_is_refused_naming_what_there_is() -> None:
    with pytest.raises(ModelError, match="no int8_s8s8 file in this bundle, only fp32"):
        choose_file("net", entry_with("fp32"), backend="auto", precision="int8_s8s8")


def test_backend_without_a_file_is_refused_naming_what_there_is() -> None:
    with pytest.raises(BackendError, match="onnxruntime") as refusal:
        choose_file("net", entry_with("fp32"), backend="openvino", precision="auto")
    assert refusal.value.exit_code == 4


def test_backend_that_is_not_installed_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bundle = bundle_in(tmp_path)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.delitem(sys.modules, "agent.inference.backends.onnx_runtime", raising=False)
    with pytest.raises(BackendError, match=r"emotion-agent\[onnxruntime\]"):
        load(bundle)


def bundle_in(folder: Path) -> Bundle:
    path = write_onnx(folder / "network.onnx", SCENE.shape, [("out", (1, 5, 84))])
    entry = make_entry(SCENE, files=(make_file("network.onnx", "fp32", path.read_bytes()),))
    return Bundle(folder, Manifest(schema_version=1, networks={"net": entry}))


def load(bundle: Bundle) -> LoadedNetwork:
    entry = bundle.manifest.networks["net"]
    return load_network(bundle, "net", entry, backend="auto", precision="auto", threads=0)


def test_loaded_network_says_what_runs(tmp_path: Path) -> None:
    network = load(bundle_in(tmp_path))
    assert (network.name, network.file.precision, network.file.backend) == ("net", "fp32", "onnxruntime")
    assert network.network.run()[0].shape == (1, 5, 84)


def test_exchanged_file_is_refused_before_it_is_opened(tmp_path: Path) -> None:
    bundle = bundle_in(tmp_path)
    write_onnx(tmp_path / "network.onnx", SCENE.shape, [("out", (1, 6, 84))])
    with pytest.raises(ModelError, match=r"network\.onnx has sha256") as refusal:
        load(bundle)
    assert refusal.value.exit_code == 3


def test_cpu_flags_are_read_from_either_kind_of_cpuinfo(tmp_path: Path) -> None:
    x86, arm = tmp_path / "x86", tmp_path / "arm"
    x86.write_text("processor\t: 0\nflags\t\t: fpu avx2 avx512_vnni\n\nprocessor\t: 1\nflags\t\t: fpu\n")
    arm.write_text("processor\t: 0\nFeatures\t: fp asimd asimddp\nCPU part\t: 0xd0b\n")
    assert precision_order(read_cpu_flags(x86))[0] == "int8_u8s8"
    assert precision_order(read_cpu_flags(arm))[0] == "int8_s8s8"
    assert read_cpu_flags(tmp_path / "absent") == frozenset()


def test_default_threads_leave_a_core_but_never_none() -> None:
    usable = len(os.sched_getaffinity(0))
    assert 1 <= default_threads() <= max(1, usable - 1)


@pytest.mark.slow
def test_shipped_bundle_is_found_without_importing_the_training_code() -> None:
    code = (
        "import sys; from agent.inference.bundle.place import default_bundle_folder as f;"
        "assert (f() / 'manifest.toml').is_file();"
        "assert not {'torch', 'models', 'onnxruntime'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_absent_bundle_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "SHIPPED", ())
    with pytest.raises(ModelError, match=r"models\.bundle"):
        default_bundle_folder()
