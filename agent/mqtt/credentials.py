"""Who the device is to the broker: user name, password, certificates; read from files, never logged."""

from __future__ import annotations

import logging
import os
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from agent.errors import ConfigError
from agent.settings import MqttSettings, is_loopback

logger = logging.getLogger(__name__)

CREDENTIALS_VARIABLE: Final = "CREDENTIALS_DIRECTORY"
"""Set by systemd for units with ``LoadCredential=``."""
USERNAME_CREDENTIAL: Final = "mqtt-username"
PASSWORD_CREDENTIAL: Final = "mqtt-password"  # noqa: S105 - the name of a credential, not its value

_MAX_SECRET_BYTES: Final = 65_535
"""Longest user name or password that MQTT can carry."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """User name and password; both absent for anonymous or certificate-only brokers."""

    username: str | None = None
    password: str | None = field(default=None, repr=False)


def load_credentials(settings: MqttSettings, environment: Mapping[str, str] = os.environ) -> Credentials:
    """Read user name and password from where the settings point, else from systemd credentials.

    Raises:
        ConfigError: A file is missing, unreadable, empty or no text; or there is a password without a user.
    """
    username = (
        settings.username
        or _read_secret("mqtt.username_file", settings.username_file)
        or _read_credential(USERNAME_CREDENTIAL, environment)
    )
    password = _read_secret("mqtt.password_file", settings.password_file) or _read_credential(
        PASSWORD_CREDENTIAL, environment
    )
    if password is not None and username is None:
        raise ConfigError("there is an MQTT password but no user: set mqtt.username or mqtt.username_file")
    return Credentials(username, password)


def warn_of_exposure(settings: MqttSettings) -> None:
    """Say once what is readable by others although it works."""
    if not settings.uses_tls and not is_loopback(settings.host):
        logger.warning(
            "mqtt.tls = false: everything, a password included, travels in clear to %s", settings.host
        )
    path = settings.password_file
    if path is not None and path.exists() and path.stat().st_mode & 0o007:
        logger.warning("mqtt.password_file %s is open to every user of this machine: chmod 600 it", path)


def tls_context(settings: MqttSettings) -> ssl.SSLContext | None:
    """TLS 1.2 or newer with host name and chain checks, which nothing turns off; None for plain TCP.

    Raises:
        ConfigError: A certificate or key file is missing, unreadable, or does not fit the other.
    """
    if not settings.uses_tls:
        return None
    ca_file = f"mqtt.ca_file {settings.ca_file}"
    with _in_words(ca_file, "the path", f"{ca_file} is no PEM certificate: give the authority's PEM file"):
        context = ssl.create_default_context(cafile=settings.ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.certificate_file is not None and settings.key_file is not None:
        certificate = f"mqtt.certificate_file {settings.certificate_file}"
        key = f"mqtt.key_file {settings.key_file}"
        misfit = (
            f"{certificate} and {key} don't fit together or are no unencrypted PEM files: give a certificate"
            " and its own key"
        )
        with _in_words(f"{certificate} or {key}", "the paths and their permissions", misfit):
            # An empty passphrase instead of none: OpenSSL would ask for it on the terminal.
            context.load_cert_chain(settings.certificate_file, settings.key_file, password="")
    return context


@contextmanager
def _in_words(file: str, check: str, useless: str) -> Iterator[None]:
    """Files that can't be read, or hold the wrong thing, which ``useless`` says, as sentences."""
    try:
        yield
    except (ssl.SSLError, UnicodeDecodeError) as error:
        raise ConfigError(useless) from error
    except OSError as error:
        raise ConfigError(f"{file} can't be read ({error.strerror}): check {check}") from error


def _read_credential(name: str, environment: Mapping[str, str]) -> str | None:
    folder = environment.get(CREDENTIALS_VARIABLE)
    path = Path(folder or "") / name
    return _read_secret(f"credential {name}", path) if folder and path.exists() else None


def _read_secret(key: str, path: Path | None) -> str | None:
    if path is None:
        return None
    useless = f"{key} {path} is no UTF-8 text: write the secret on one line"
    with _in_words(f"{key} {path}", "path and permissions", useless):
        raw = path.read_bytes()
        secret = raw.decode("utf-8").rstrip("\r\n")
    if not secret or "\n" in secret or "\0" in secret or len(raw) > _MAX_SECRET_BYTES:
        raise ConfigError(f"{key} {path} must hold exactly one line of text")
    return secret
