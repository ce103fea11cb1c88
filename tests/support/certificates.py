"""Certificates for tests, made with openssl: good ones by the lab script, bad ones here."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.places import SYSTEMD

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT: Final = SYSTEMD / "mosquitto" / "make-lab-certificates"
DAY: Final = "-startdate 20200101000000Z -enddate 20200102000000Z -out expired.crt"


@dataclass(frozen=True)
class Lab:
    """A folder with an authority, a broker certificate, and one per name."""

    folder: Path

    @property
    def authority(self) -> Path:
        """PEM of the authority."""
        return self.folder / "ca.crt"

    def certificate(self, name: str) -> Path:
        """PEM certificate of ``name``."""
        return self.folder / f"{name}.crt"

    def key(self, name: str) -> Path:
        """PEM key of ``name``."""
        return self.folder / f"{name}.key"

    def server(self, name: str = "broker") -> tuple[Path, Path, Path]:
        """What a broker with the certificate of ``name`` is configured with."""
        return (self.authority, self.certificate(name), self.key(name))


def make_lab(folder: Path, host: str, *names: str) -> Lab:
    """Run the lab script as a user would."""
    subprocess.run([str(SCRIPT), str(folder), host, *names], check=True, capture_output=True)
    return Lab(folder)


def add_expired_broker(lab: Lab, host: str) -> None:
    """``expired.crt``: right host, right authority, valid for one day in 2020."""
    (lab.folder / "index").touch()
    (lab.folder / "expired.conf").write_text(
        "[ca]\ndefault_ca = lab\n[lab]\nnew_certs_dir = .\ndatabase = index\nrand_serial = yes\n"
        "default_md = sha256\npolicy = any\nx509_extensions = ext\n[any]\ncommonName = supplied\n"
        f"[ext]\nsubjectAltName = IP:{host}\n"
    )
    for command in (
        "openssl ecparam -name prime256v1 -genkey -noout -out expired.key",
        "openssl req -new -key expired.key -subj /CN=expired -out expired.csr",
        f"openssl ca -batch -config expired.conf -cert ca.crt -keyfile ca.key -in expired.csr -notext {DAY}",
    ):
        subprocess.run(command.split(), cwd=lab.folder, check=True, capture_output=True)


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """Authority, broker certificate for 127.0.0.1, devices door-1 and door-2, reader fleet-watch."""
    folder = tmp_path_factory.mktemp("lab")
    made = make_lab(folder, "127.0.0.1", "door-1", "door-2", "fleet-watch")
    add_expired_broker(made, "127.0.0.1")
    return made


@pytest.fixture(scope="session")
def other_lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """Another authority, whose broker certificate is for another host."""
    return make_lab(tmp_path_factory.mktemp("other"), "broker.example", "door-1")
