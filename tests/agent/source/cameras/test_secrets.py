"""A camera's password is shown nowhere: written into the address it is refused, from its file it is used."""

from __future__ import annotations

import random
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from agent.errors import ConfigError
from agent.settings import OpenCvSource, parse_address
from agent.settings.address import LOGIN_INSIDE
from agent.settings.reading import parse_settings
from agent.source.cameras.settings import OpenCvSettings
from agent.source.isolation.camera import IsolatedCamera
from agent.source.isolation.messages import Open, Setup
from tests.support.mjpeg_server import MjpegServer, StreamPlan
from tests.support.patience import Patience
from tests.support.rtsp_server import RtspServer

if TYPE_CHECKING:
    from collections.abc import Iterator

CANARY: Final = "c4nary"
FORMS: Final = (
    "rtsp://h/user=admin&password={}",
    "rtsp://h/user=admin_password={}_channel=1_stream=0.sdp?real_stream",
    "rtsp://h/?user=u&pwd={}",
    "rtsp://h:554/?channel=1&token={}",
    "http://h/video?access_token={}",
    "http://h/video?X-Amz-Signature={}",
    "https://h/stream;jsessionid={}",
    "http://h/cgi?usr=admin&psw={}",
    "http://h/live/{}/stream",
    "http://h/?{}",
    "http://h/#{}",
    "rtsp://user:{}@h",
    "rtsp://user:pa/{}@h",
    "rtsp://user:12/{}@h:554/x",
    "rtsp://user:p@{}@h",
    "rtsp://user:p?{}@h",
    "rtsp://user:p#{}@h",
    "rtsp://user:p:{}@h",
    "rtsp://admin:{}!@h",
    "rtsp://admin:a ! {} ! b@h",
    "rtsp://admin:{}",
    "rtsp://admin%3A{}%40h/",
    "rtsp://h[{}",
    "RTSPS://user:{}@[::1]:322/x",
    "rtsp:/user:{}@h",
    "//user:{}@h/x",
    "user:{}@h/stream",
    "rtspsrc location=rtsp://h user-id=admin user-pw={} ! decodebin ! appsink",
    "rtspsrc location=rtsp://h user-pw = '{} x' ! decodebin ! appsink",
    'rtspsrc location=rtsp://h user-pw="{}" ! decodebin ! appsink',
    "rtspsrc location=rtsp://h user-pw=(string){} ! decodebin ! appsink",
    "rtspsrc location=rtsp://u:{}@h ! decodebin ! appsink",
    'rtspsrc location="rtsp://u:p {}@h" ! decodebin ! appsink',
    "rtspsrc location=rtsp://h/{} ! decodebin ! appsink",
    "souphttpsrc location=http://h/?auth={} ! jpegdec ! appsink",
    'souphttpsrc location=http://h cookies="a=1;sid={}" ! jpegdec ! appsink',
    'souphttpsrc location=http://h extra-headers="h,Authorization=\\"Basic {}\\"" ! jpegdec ! appsink',
    "srtsrc uri=srt://h:1 passphrase={} ! decodebin ! appsink",
)
PUNCTUATION: Final = "!$%&'()*+,-./:;<=>?[]^_`{|}~\\\" #@"


def addresses() -> Iterator[str]:
    dice = random.Random(20_260_801)  # noqa: S311 - repeatable addresses
    for number in range(1000):
        around = ["".join(dice.choices(PUNCTUATION, k=dice.randrange(3))) for _ in range(2)]
        yield FORMS[number % len(FORMS)].replace("{}", CANARY.join(around))


def settings_at(device: object) -> OpenCvSource:
    table = {"type": "opencv", "device": device}
    raw = {"deployment": {"site": "s", "device": "d", "context": "demo"}, "sources": {"door": table}}
    source = parse_settings(raw, "config.toml").sources["door"]
    assert isinstance(source, OpenCvSource)
    return source


def test_of_a_thousand_addresses_with_a_secret_none_is_quoted_by_anything() -> None:
    told, refused, working = [], [], 0
    for address in addresses():
        try:
            source = settings_at(address)
        except ConfigError as error:
            refused.append(str(error))
            continue
        working += 1
        plain = OpenCvSettings.of(source)
        told += [source.address.shown, repr(source), str(source), repr(plain), repr(source.address)]
        told += [repr(Setup("door", plain, None)), repr(Open(f"u:{CANARY}"))]
    assert [text for text in told + refused if CANARY in text] == []
    # Those whose place tells nothing of a secret: they work, and are shown up to the port.
    assert working < 200
    assert all(text.startswith("config.toml: sources.door.device: ") for text in refused)


@pytest.mark.parametrize("form", [form for form in FORMS if form.startswith("rtsp://user:")])
def test_an_address_with_a_password_is_refused_with_the_way_out(form: str) -> None:
    with pytest.raises(ValueError, match="credentials_file") as caught:
        parse_address(form.format(CANARY))
    assert str(caught.value) == LOGIN_INSIDE


@pytest.mark.parametrize(
    "device", [["rtsp://h/?pwd=c4nary"], {"url": "c4nary"}, 1.5, None, True, "c4nary", "c4nary" * 10_000]
)
def test_what_is_no_address_at_all_is_not_quoted_either(device: object) -> None:
    with pytest.raises(
        ConfigError, match=r"sources\.door\.device: .*(it is no camera|credentials_file)"
    ) as caught:
        settings_at(device)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    "device",
    [
        "rtsp://192.168.1.5:554/cam/realmonitor?channel=1&subtype=1",
        "rtsp://cam//h264Preview_01_main",
        "http://{username}:{password}@cam/video.mjpg",
        "http://cam/video?user={username}&pwd={password}&resolution=640x480",
        "rtsp://cam/user={username}&password={password}&channel=1&stream=0.sdp",
        "rtspsrc location=rtsp://cam user-id={username} user-pw={password} latency=0 ! decodebin ! appsink",
        "rtspsrc location=rtsp://{username}:{password}@cam ! rtph264depay ! avdec_h264 ! appsink",
    ],
)
def test_an_address_without_a_secret_or_with_its_place_is_taken(device: str, tmp_path: Path) -> None:
    file = tmp_path / "camera" if "{" in device else None
    source = OpenCvSource(type="opencv", device=device, credentials_file=file)
    assert source.address.has_places is ("{" in device)


def test_a_place_without_a_file_and_a_file_without_a_place_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="set credentials_file"):
        OpenCvSource(type="opencv", device="rtsp://cam/?u={username}")
    with pytest.raises(ValueError, match=r"write user-id=\{username\}"):
        OpenCvSource(type="opencv", device="videotestsrc ! appsink", credentials_file=tmp_path)


PASSWORD: Final = f"""{CANARY} !"'\\@/=;,ö{{username}}%s"""


@pytest.mark.camera
@pytest.mark.parametrize("kind", ["rtsp", "http", "gstreamer"])
def test_a_password_of_any_characters_opens_the_camera_and_is_in_no_command_line_or_environment(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", f"/{CANARY}")
    monkeypatch.setenv("EMOTION_AGENT_X", CANARY)
    file = tmp_path / "camera"
    file.write_text(f"viewer:{PASSWORD}\n")
    login = f"viewer:{PASSWORD}"
    stop = threading.Event()
    with MjpegServer(StreamPlan(login=login)) if kind == "http" else RtspServer(login=login) as server:
        device = server.url
        if kind == "gstreamer":
            places = "user-id={username} user-pw={password}"
            device = f"rtspsrc location={server.url} {places} latency=0 ! decodebin ! appsink"
        settings = OpenCvSource(type="opencv", device=device, credentials_file=file)
        camera = IsolatedCamera("door", settings, stop, Patience())
        camera.open()
        camera.read()
        process = Path(f"/proc/{camera.process_id}")
        for part in ("cmdline", "environ"):
            assert CANARY.encode() not in (process / part).read_bytes()
        stop.set()
        camera.close()
    assert CANARY not in "".join(capfd.readouterr())
