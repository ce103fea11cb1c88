"""The user and password of a camera: from their file into the address, at the last moment."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit, urlunsplit

from agent.errors import ConfigError

_PLACE: Final = re.compile(r"\{(username|password)\}")
_WHOLE_VALUE: Final = re.compile(r"[\w-]+=\{(username|password)\}")


def read_login(file: Path) -> str:
    """The line ``user:password`` of a file.

    Raises:
        ConfigError: The file can't be read or holds no such line. The message never quotes it.
    """
    try:
        line = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise ConfigError(f"credentials_file {file} can't be read; make it readable for the agent") from None
    user, separator, _ = line.partition(":")
    if not separator or not user or not line.isprintable():
        raise ConfigError(f"credentials_file {file} must hold one line user:password; rewrite it")
    return line


def url_with(url: str, login: str) -> str:
    """A URL with a login, percent-encoded: in its places, or before the host where it has none."""
    if not login or _PLACE.search(url):
        return _PLACE.sub(lambda place: quote(_part(login, place), safe=""), url)
    parts = urlsplit(url)
    user_info = ":".join(quote(part, safe="") for part in login.split(":", 1))
    return urlunsplit(parts._replace(netloc=f"{user_info}@{parts.netloc}"))


def pipeline_word_with(word: str, login: str) -> str:
    """A word of a pipeline with a login in its places: as a property's whole value, else percent-encoded."""
    whole = _WHOLE_VALUE.fullmatch(word) is not None

    def fill(place: re.Match[str]) -> str:
        secret = _part(login, place)
        return _as_gstreamer_string(secret) if whole else quote(secret, safe="")

    return _PLACE.sub(fill, word)


def _part(login: str, place: re.Match[str]) -> str:
    user, _, password = login.partition(":")
    return user if place[1] == "username" else password


def _as_gstreamer_string(text: str) -> str:
    r"""Quoted for both readers: the pipeline's parser takes one backslash away, the property's the rest."""
    return r"\"" + "".join(rf"\\{byte:03o}" for byte in text.encode()) + r"\""
