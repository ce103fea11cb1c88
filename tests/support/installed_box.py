"""A root folder with an installed stand-in of the agent, for what the scripts in ``systemd/`` do to it."""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any, Final

import pydantic

from tests.support.places import ROOT, SYSTEMD
from tests.support.waiting import DEADLINE_S

PROGRAM: Final = """\
import sys

def main():
    if sys.argv[1] == "version":
        print("{version}")
    elif "{behaviour}" == "refuses":
        sys.exit("error: this version can't run here")

if __name__ == "__main__":
    main()
"""


def make_wheel(folder: Path, version: str, behaviour: str = "runs") -> Path:
    """A wheel of the agent's name whose command knows ``version`` and ``check``."""
    files = {
        "agent/__init__.py": "",
        "agent/__main__.py": PROGRAM.format(version=version, behaviour=behaviour),
        f"emotion_agent-{version}.dist-info/METADATA": (
            f"Metadata-Version: 2.1\nName: emotion-agent\nVersion: {version}\n"
        ),
        f"emotion_agent-{version}.dist-info/WHEEL": (
            "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        ),
        f"emotion_agent-{version}.dist-info/entry_points.txt": (
            "[console_scripts]\nemotion-agent = agent.__main__:main\n"
        ),
    }
    record = f"emotion_agent-{version}.dist-info/RECORD"
    lines = [f"{name},sha256={_urlsafe_digest(text)},{len(text.encode())}\n" for name, text in files.items()]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"emotion_agent-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, text in {**files, record: "".join(lines) + f"{record},,\n"}.items():
            wheel.writestr(zipfile.ZipInfo(name), text)
    return path


def _urlsafe_digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


class Box:
    """A root folder to install into."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.wheels = root.parent / "wheels"
        self.opt = root / "opt" / "emotion-agent"
        self.boot = root / "boot"

    def run(self, *arguments: str, **popen: Any) -> subprocess.CompletedProcess[str]:
        """The script's outcome, whatever it is."""
        return subprocess.run(
            [str(SYSTEMD / "install.sh"), *arguments, "--root", str(self.root), "--python", sys.executable],
            capture_output=True, text=True, check=False, timeout=4.0 * DEADLINE_S, **popen,
        )  # fmt: skip

    def install(self, *arguments: str, **popen: Any) -> subprocess.CompletedProcess[str]:
        """Install from the wheel folder."""
        return self.run("install", "--wheels", str(self.wheels), *arguments, **popen)

    def take_in_the_real_agent(self) -> None:
        """This checkout instead of the stand-in, with the libraries of these tests."""
        (packages,) = self.opt.glob("releases/*/lib/python3*/site-packages")
        shutil.rmtree(packages / "agent")
        (packages / "house.pth").write_text(f"{ROOT}\n{Path(pydantic.__file__).parents[1]}\n")

    def provision(self, text: str, **popen: Any) -> subprocess.CompletedProcess[str]:
        """Put a card with this file into the box and start it."""
        self.boot.mkdir(exist_ok=True)
        (self.boot / "emotion-agent.toml").write_text(text)
        return subprocess.run(
            [str(SYSTEMD / "provision.sh"), "--root", str(self.root), "--boot", str(self.boot)],
            capture_output=True, text=True, check=False, timeout=4.0 * DEADLINE_S, **popen,
        )  # fmt: skip

    def version(self) -> str:
        """What the service would run."""
        command = [str(self.opt / "venv" / "bin" / "emotion-agent"), "version"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def files(self) -> set[str]:
        """Everything that is no folder, relative to the root."""
        return {
            str(path.relative_to(self.root))
            for path in self.root.rglob("*")
            if path.is_symlink() or path.is_file()
        }
