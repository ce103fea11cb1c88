"""What a camera address means, how it is shown, and that it holds no secret."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import Final
from urllib.parse import urlsplit

_URL: Final = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_HOST: Final = re.compile(r"(\[[\w:.-]+\]|[\w.-]+)(:\d{1,5})?")
_PATH: Final = re.compile(r"/(?!/)")
_LINK: Final = re.compile(r"\s!\s")
_PLACE: Final = re.compile(r"\{(username|password)\}")
_LOGIN: Final = "{username}:{password}@"
_SECRET: Final = re.compile(
    r"""(?:pass(?:word|wd|phrase|code)?|pwd|psw|pw|token|secret|credentials?|cookies?|auth(?:orization)?
    |(?<![a-z0-9])(?:api[_-]?)?key|user(?:[_-]?(?:name|id))?|usr|login|account|proxy-id|sig(?:nature)?
    |session(?:[_-]?id)?)
    \s*=\s*(?:\(\w+\))?["'\\]*(?!\{(?:username|password)\}|[&\s"'\\]|$)""",
    re.IGNORECASE | re.VERBOSE,
)
"""A name that stands for a secret, with a value that is neither empty nor filled in from the file."""

NO_ADDRESS: Final = (
    'it is no camera: give a number, "/dev/…", "rtsp://…", "http://…" or a pipeline "… ! appsink"'
)
LOGIN_INSIDE: Final = (
    "the address holds a user, password or token, which logs would show: write user:password into a file that"
    " credentials_file names, and {username} and {password} where the address can't do without"
)


class AddressKind(Enum):
    """The three families of addresses."""

    V4L2 = "v4l2"
    URL = "url"
    GSTREAMER = "gstreamer"


@dataclass(frozen=True, slots=True)
class CameraAddress:
    """A configured device."""

    kind: AddressKind
    target: str = field(repr=False)
    """Device path, URL or pipeline text; the login is still to be filled in."""

    @property
    def shown(self) -> str:
        """For logs and health: a path, or scheme, host and port; a pipeline is known by its source's name."""
        if self.kind is AddressKind.GSTREAMER:
            return "the pipeline"
        if self.kind is AddressKind.V4L2:
            return self.target
        return f"{urlsplit(self.target).scheme}://{_host_of(self.target)}"

    @property
    def has_places(self) -> bool:
        """Whether ``{username}`` or ``{password}`` stand in it."""
        return _PLACE.search(self.target) is not None


def parse_address(device: int | str) -> CameraAddress:
    """Tell a V4L2 index or path, a URL and a GStreamer pipeline apart: by the scheme before anything else.

    Raises:
        ValueError: It is none of them, or holds a secret; the message never quotes it.
    """
    text = str(device).strip()
    if text.isdecimal():
        return CameraAddress(AddressKind.V4L2, f"/dev/video{int(text)}")
    if _PATH.match(text):
        return CameraAddress(AddressKind.V4L2, text)
    # An "@" that belongs to a path is written %40: which one ends a password can't be known.
    if "@" in text.replace(_LOGIN, "") or _SECRET.search(text):
        raise ValueError(LOGIN_INSIDE)
    is_url = _URL.match(text) is not None
    if not (_has_host(text) if is_url else _LINK.search(text)):
        raise ValueError(NO_ADDRESS)
    return CameraAddress(AddressKind.URL if is_url else AddressKind.GSTREAMER, text)


def _has_host(url: str) -> bool:
    try:
        return _HOST.fullmatch(_host_of(url)) is not None
    except ValueError:  # of urlsplit, which quotes what it can't read
        return False


def _host_of(url: str) -> str:
    """Host and port as they are written."""
    return urlsplit(url).netloc.rpartition("@")[2]
