"""TLS, certificates and access lists: refused in one sentence that names the key, and counting goes on."""

from __future__ import annotations

import os
import shutil
import signal
import ssl
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from agent.errors import BrokerError, ConfigError
from agent.mqtt.credentials import load_credentials, tls_context
from agent.mqtt.link import BrokerLink
from agent.publisher.thread import Publisher
from agent.settings import MqttSettings
from tests.agent.publisher.test_publisher import counts, has_counts, quick
from tests.support.certificates import SCRIPT, Lab, make_lab
from tests.support.message_samples import IDENTITY, birth, disclosure, window
from tests.support.mosquitto_fixtures import Broker, BrokerOptions, Recorder
from tests.support.ports import free_port
from tests.support.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from pathlib import Path

ACL = "user fleet-watch\ntopic read emotion-agent/v1/#\npattern write emotion-agent/v1/+/%u/#\n"


def tls_broker(folder: Path, server: tuple[Path, Path, Path], **options: Any) -> Broker:
    (folder / "broker").mkdir()
    return Broker(folder / "broker", BrokerOptions(tls=server, **options))


def refusal(port: int, **settings: Any) -> str:
    """What a connection attempt with these settings says."""
    link = BrokerLink(MqttSettings(host="127.0.0.1", port=port, tls=True, **settings), "test")
    with pytest.raises(BrokerError) as caught:
        link.open()
    return str(caught.value)


def reader_context(lab: Lab) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=lab.authority)
    context.load_cert_chain(lab.certificate("fleet-watch"), lab.key("fleet-watch"))
    return context


@pytest.mark.broker
@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
def test_windows_arrive_over_tls(tmp_path: Path, lab: Lab, protocol: str) -> None:
    with tls_broker(tmp_path, lab.server()) as broker:
        settings = MqttSettings(
            host=broker.host, port=broker.port, tls=True, ca_file=lab.authority, protocol=protocol
        )
        publisher = Publisher(settings, IDENTITY, birth())
        with Recorder(broker, tls=ssl.create_default_context(cafile=lab.authority)) as recorder:
            publisher.start()
            publisher.publish_counts(window(0), disclosure())
            recorder.wait_for(has_counts(1))
            publisher.stop(DEADLINE_S)


@pytest.mark.broker
def test_an_unknown_authority_is_refused_and_names_ca_file(tmp_path: Path, lab: Lab, other_lab: Lab) -> None:
    with tls_broker(tmp_path, lab.server()) as broker:
        assert "set mqtt.ca_file" in refusal(broker.port)
        said = refusal(broker.port, ca_file=other_lab.authority)
        assert "not from a trusted authority" in said
        assert f"broker 127.0.0.1:{broker.port}" in said


@pytest.mark.broker
def test_an_expired_certificate_is_refused_and_says_so(tmp_path: Path, lab: Lab) -> None:
    with tls_broker(tmp_path, lab.server("expired")) as broker:
        assert "has expired: renew it" in refusal(broker.port, ca_file=lab.authority)


@pytest.mark.broker
def test_a_certificate_for_another_host_is_refused_and_names_host(tmp_path: Path, other_lab: Lab) -> None:
    with tls_broker(tmp_path, other_lab.server()) as broker:
        assert "is for another host name: check mqtt.host" in refusal(
            broker.port, ca_file=other_lab.authority
        )


@pytest.mark.broker
def test_a_plain_port_is_refused_and_names_port_and_tls(tmp_path: Path, lab: Lab) -> None:
    (tmp_path / "broker").mkdir()
    with Broker(tmp_path / "broker") as broker:
        said = refusal(broker.port, ca_file=lab.authority)
        assert "mqtt.port" in said
        assert "mqtt.tls" in said


@pytest.mark.broker
def test_a_missing_client_certificate_is_refused_and_names_the_keys(tmp_path: Path, lab: Lab) -> None:
    with tls_broker(tmp_path, lab.server(), require_certificate=True) as broker:
        assert "check mqtt.certificate_file and mqtt.key_file" in refusal(broker.port, ca_file=lab.authority)


@pytest.mark.broker
def test_a_client_certificate_of_another_authority_is_refused(
    tmp_path: Path, lab: Lab, other_lab: Lab
) -> None:
    with tls_broker(tmp_path, lab.server(), require_certificate=True) as broker:
        said = refusal(
            broker.port,
            ca_file=lab.authority,
            certificate_file=other_lab.certificate("door-1"),
            key_file=other_lab.key("door-1"),
        )
        assert "check mqtt.certificate_file and mqtt.key_file" in said


def certified(broker: Broker, lab: Lab, name: str) -> MqttSettings:
    return MqttSettings(
        host=broker.host,
        port=broker.port,
        tls=True,
        ca_file=lab.authority,
        certificate_file=lab.certificate(name),
        key_file=lab.key(name),
    )


def connected(settings: MqttSettings) -> None:
    link = BrokerLink(settings, "test")
    link.open()
    link.disconnect()


def publisher_with_certificate(broker: Broker, lab: Lab, name: str) -> Publisher:
    return Publisher(certified(broker, lab, name), IDENTITY, birth(), backoff=quick())


@pytest.mark.broker
def test_a_device_may_write_its_own_branch_only(tmp_path: Path, lab: Lab) -> None:
    """The access list goes by the certificate's name; a stranger is refused, and keeps counting."""
    with (
        tls_broker(tmp_path, lab.server(), require_certificate=True, acl=ACL) as broker,
        Recorder(broker, tls=reader_context(lab)) as recorder,
    ):
        owner = publisher_with_certificate(broker, lab, "door-1")
        owner.start()
        owner.publish_counts(window(0), disclosure())
        recorder.wait_for(has_counts(1))
        owner.stop(DEADLINE_S)
        stranger = publisher_with_certificate(broker, lab, "door-2")
        stranger.start()
        stranger.publish_counts(window(1), disclosure())
        wait_until(lambda: "not authorised" in stranger.status().reason, "the broker to refuse the stranger")
        assert "mqtt.username" in stranger.status().reason
        assert stranger.status().queue_depth == 1
        stranger.stop(1.0)
    assert [message["seq"] for message in counts(recorder.records)] == [0]


def recipe(tmp_path: Path, lab: Lab) -> Broker:
    """The shipped configuration and access list; only port, folders and the lab's port differ."""
    folder = tmp_path / "recipe"
    folder.mkdir()
    shipped = (SCRIPT.parent / "emotion-agent.conf").read_text()
    port = free_port()
    moved = (
        shipped.replace("listener 8883", f"listener {port} 127.0.0.1")
        .replace("/etc/mosquitto/emotion-agent/acl", str(SCRIPT.parent / "acl"))
        .replace("/etc/mosquitto/emotion-agent/", f"{lab.folder}/")
        .replace("/var/lib/mosquitto/", f"{folder}/")
    )
    assert "/etc/mosquitto/emotion-agent" not in moved
    return Broker(folder, BrokerOptions(whole=moved), port=port)


@pytest.mark.broker
def test_the_shipped_broker_recipe_works_with_the_lab_certificates(tmp_path: Path, lab: Lab) -> None:
    with recipe(tmp_path, lab) as broker:
        with Recorder(broker, tls=reader_context(lab)) as recorder:
            publisher = publisher_with_certificate(broker, lab, "door-1")
            publisher.start()
            publisher.publish_counts(window(0), disclosure())
            recorder.wait_for(has_counts(1))
            publisher.stop(DEADLINE_S)
            stranger = publisher_with_certificate(broker, lab, "door-2")
            stranger.start()
            wait_until(
                lambda: "not authorised" in stranger.status().reason, "the broker to refuse the stranger"
            )
            stranger.stop(1.0)
        assert "certificate_file" in refusal(broker.port, ca_file=lab.authority)
        assert {r.topic.split("/")[3] for r in recorder.records} == {"door-1"}


@pytest.mark.broker
def test_a_certificate_is_good_for_one_client_id_and_for_no_other_devices_topics(
    tmp_path: Path, lab: Lab
) -> None:
    """Else any device could end a reader's session, and with it lose the windows that wait for the reader."""
    with recipe(tmp_path, lab) as broker:
        with Recorder(broker, session="fleet-watch", tls=reader_context(lab)):
            pass
        intruder = BrokerLink(certified(broker, lab, "door-2"), "fleet-watch")
        intruder.open()
        intruder.subscribe("#")
        publisher = publisher_with_certificate(broker, lab, "door-1")
        publisher.start()
        publisher.publish_counts(window(0), disclosure())
        wait_until(lambda: publisher.status().queue_depth == 0, "the broker to take the window")
        publisher.stop(DEADLINE_S)
        intruder.publish("emotion-agent/v1/museum/door-2/availability", b"online")
        while intruder.alive and not intruder.acknowledged:
            intruder.step(1.0)
        assert intruder.alive
        assert not intruder.received
        intruder.disconnect()
        with Recorder(broker, session="fleet-watch", tls=reader_context(lab)) as reader:
            reader.wait_for(has_counts(1))


@pytest.mark.broker
def test_a_revoked_certificate_is_refused_and_the_others_are_not(tmp_path: Path) -> None:
    lab = make_lab(tmp_path / "pki", "127.0.0.1", "door-1", "door-2")
    keys, certificates = tmp_path / "kept.key", [tmp_path / "first.crt", tmp_path / "second.crt"]
    shutil.copy(lab.certificate("door-2"), certificates[0])
    make_lab(lab.folder, "127.0.0.1", "door-2")
    shutil.copy(lab.certificate("door-2"), certificates[1])
    shutil.copy(lab.key("door-2"), keys)
    with recipe(tmp_path, lab) as broker:
        connected(certified(broker, lab, "door-2"))
        make_lab(lab.folder, "--revoke", "door-2")
        os.kill(broker.pid, signal.SIGHUP)
        wait_until(lambda: "Reloading config" in broker.log, "the broker to read its list again")
        for certificate in certificates:
            said = refusal(broker.port, ca_file=lab.authority, certificate_file=certificate, key_file=keys)
            assert "check mqtt.certificate_file and mqtt.key_file" in said
        connected(certified(broker, lab, "door-1"))


@pytest.mark.slow
def test_the_lab_script_adds_devices_and_keeps_the_authority(tmp_path: Path) -> None:
    run = [str(SCRIPT), str(tmp_path / "pki"), "broker.lan", "door-1"]
    subprocess.run(run, check=True, capture_output=True)
    authority = (tmp_path / "pki" / "ca.crt").read_bytes()
    subprocess.run([*run, "door-2"], check=True, capture_output=True)
    assert (tmp_path / "pki" / "ca.crt").read_bytes() == authority
    verify = ["openssl", "verify", "-CAfile", "ca.crt", "door-1.crt", "door-2.crt", "broker.crt"]
    subprocess.run(verify, cwd=tmp_path / "pki", check=True, capture_output=True)
    assert (tmp_path / "pki" / "door-1.key").stat().st_mode & 0o077 == 0


@pytest.mark.slow
def test_the_lab_script_refuses_names_that_are_no_topic_level(tmp_path: Path) -> None:
    done = subprocess.run(
        [str(SCRIPT), str(tmp_path / "pki"), "broker.lan", "a/b"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "'a/b' can't be a device" in done.stderr


@pytest.mark.parametrize(
    ("key", "content", "says"),
    [
        ("ca_file", "no certificate", "is no PEM certificate"),
        ("ca_file", None, "can't be read"),
        ("certificate_file", "no certificate", "don't fit together"),
        ("key_file", "no key", "don't fit together"),
        ("key_file", None, "can't be read"),
    ],
)
def test_unusable_certificate_files_are_named_before_anything_connects(
    tmp_path: Path, lab: Lab, key: str, content: str | None, says: str
) -> None:
    bad = tmp_path / "bad.pem"
    if content is not None:
        bad.write_text(content)
    files = {
        "ca_file": lab.authority,
        "certificate_file": lab.certificate("door-1"),
        "key_file": lab.key("door-1"),
    }
    with pytest.raises(ConfigError, match=rf"mqtt\.{key} {bad}.*|{says}") as caught:
        tls_context(MqttSettings(tls=True, **(files | {key: bad})))
    assert says in str(caught.value)
    assert f"mqtt.{key}" in str(caught.value)


def test_a_key_with_a_passphrase_is_refused_and_asks_nobody(tmp_path: Path, lab: Lab) -> None:
    locked = tmp_path / "locked.key"
    subprocess.run(
        [
            "openssl",
            "ec",
            "-in",
            str(lab.key("door-1")),
            "-aes256",
            "-passout",
            "pass:x",
            "-out",
            str(locked),
        ],
        check=True,
        capture_output=True,
    )
    with pytest.raises(ConfigError, match="unencrypted PEM"):
        tls_context(MqttSettings(tls=True, certificate_file=lab.certificate("door-1"), key_file=locked))


def test_tls_1_2_is_the_floor_and_checks_are_on(lab: Lab) -> None:
    context = tls_context(MqttSettings(host="broker.example", ca_file=lab.authority))
    assert context is not None
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.check_hostname
    assert context.verify_mode == ssl.CERT_REQUIRED


def test_secrets_come_from_files_or_the_systemd_credential_and_stay_out_of_sight(tmp_path: Path) -> None:
    (tmp_path / "mqtt-password").write_text("s3cret\n")
    (tmp_path / "user").write_text("door-1\n")
    environment = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    found = load_credentials(MqttSettings(username_file=tmp_path / "user"), environment)
    assert (found.username, found.password) == ("door-1", "s3cret")
    assert "s3cret" not in repr(found)
    (tmp_path / "mqtt-username").write_text("door-9")
    assert load_credentials(MqttSettings(), environment).username == "door-9"
    assert load_credentials(MqttSettings(), {}).password is None


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "exactly one line"), (b"a\nb\n", "exactly one line"), (b"\xff\xfe", "UTF-8")],
    ids=["empty", "two lines", "binary"],
)
def test_unusable_password_files_are_named(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "password"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"mqtt\.password_file") as caught:
        load_credentials(MqttSettings(username="x", password_file=path), {})
    assert says in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_password_without_a_user_is_a_configuration_error(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("x")
    with pytest.raises(ConfigError, match=r"mqtt\.username"):
        load_credentials(MqttSettings(password_file=path), {})
