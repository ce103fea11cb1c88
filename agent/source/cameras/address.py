"""What a camera address means, and how to show it without the password inside."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit, urlunsplit

from agent.errors import ConfigError

_URL: Final = re.compile(r"^[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_USER_INFO: Final = re.compile(r"(?<=://)[^/@\s]*@")


class AddressKind(Enum):
    """The three families of addresses OpenCV understands."""

    V4L2 = "v4l2"
    URL = "url"
    GSTREAMER = "gstreamer"


@dataclass(frozen=True, slots=True)
class CameraAddress:
    """A configured device, told apart by its spelling."""

    kind: AddressKind
    target: str
    """Device path, URL without credentials from a file, or pipeline text. May hold a password."""

    @property
    def shown(self) -> str:
        """For logs and health: the target without user and password."""
        return _USER_INFO.sub("", self.target)


def parse_address(device: int | str) -> CameraAddress:
    """Tell a V4L2 index or path, a URL and a GStreamer pipeline apart."""
    text = str(device).strip()
    if "!" in text:
        return CameraAddress(AddressKind.GSTREAMER, text)
    if _URL.match(text):
        return CameraAddress(AddressKind.URL, text)
    if text.isdecimal():
        return CameraAddress(AddressKind.V4L2, f"/dev/video{int(text)}")
    return CameraAddress(AddressKind.V4L2, text)


def with_credentials(url: str, file: Path) -> str:
    """Put the ``user:password`` line of a file into a URL.

    Raises:
        ConfigError: The file can't be read or holds no such line. The message never quotes it.
    """
    try:
        line = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"credentials_file {file} can't be read; make it readable for the agent") from error
    user, separator, password = line.partition(":")
    if not separator or not user or "\n" in line:
        raise ConfigError(f"credentials_file {file} must hold one line user:password; rewrite it")
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{quote(user, safe='')}:{quote(password, safe='')}@{host}"))
