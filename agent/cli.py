"""The ``emotion-agent`` command: parses arguments, calls the library, turns errors into one sentence."""

from __future__ import annotations

import logging
import os
import signal
import sys
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Final

import typer

from agent import __version__, cli_device, cli_fleet
from agent.commands.sbom.command import DEFAULT_CONFIG, Config
from agent.errors import AgentError, ConfigError
from agent.settings.reading import load_settings

if TYPE_CHECKING:
    from agent.daemon import Daemon

INTERRUPTED: Final = 130
"""Exit status of a program ended by SIGINT where that is no clean stop (shell convention)."""

app = typer.Typer(
    help="Counts facial expressions on this device and publishes only the totals over MQTT.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.callback()
def _options(
    *,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="More log lines, and tracebacks.")] = False,
) -> None:
    _set_up_logging(verbose=verbose)


@app.command()
def run(
    config: Config = DEFAULT_CONFIG,
    *,
    reselect: Annotated[bool, typer.Option("--reselect", help="Try every backend again.")] = False,
) -> None:
    """Count until SIGTERM or SIGINT, or to the end of a replayed file."""
    settings = load_settings(config)
    from agent.daemon import Daemon  # noqa: PLC0415 - `check` must not need the inference runtime

    daemon = Daemon(settings, reselect=reselect)
    stop_on_signals(daemon)
    daemon.run()


@app.command()
def check(config: Config = DEFAULT_CONFIG) -> None:
    """Check the configuration and the model files without opening a camera or a connection."""
    settings = load_settings(config)
    from agent.inference.bundle.trust import signature_in_words  # noqa: PLC0415 - the help must not wait
    from agent.inference.networks import load_networks  # noqa: PLC0415
    from agent.mqtt.credentials import load_credentials, tls_context  # noqa: PLC0415

    load_credentials(settings.mqtt)
    tls_context(settings.mqtt)
    networks = load_networks(settings)
    used = [*networks.detectors, *([networks.classifier] if networks.classifier else [])]
    typer.echo(f"{config} is valid: {len(settings.sources)} source(s), broker {settings.mqtt.host}")
    typer.echo(f"  signature of the networks: {signature_in_words(networks.signer)}")
    for network in used:
        typer.echo(f"  {network.name}: {network.file.backend} {network.file.precision}, digest verified")


@app.command()
def demo(
    camera: Annotated[str | None, typer.Option(help="Index, path or URL of a real camera.")] = None,
    video: Annotated[
        Path | None, typer.Option(help="A video file or a folder of images.", exists=True)
    ] = None,
    seconds: Annotated[float, typer.Option(min=5.0, help="Length of the clip, or of a camera run.")] = 40.0,
) -> None:
    """Watch counts arrive through MQTT: no camera, no broker, no configuration needed."""
    if camera is not None and video is not None:
        raise ConfigError("--camera and --video exclude each other: give one of them")
    try:
        from agent.commands.demo.session import run_demo  # noqa: PLC0415 - needs the demo extra
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"the demo needs {error.name}: install it with pip install 'emotion-agent[demo]'",
        ) from error
    if run_demo(camera=camera, video=video, duration_s=seconds) == 0:
        raise AgentError("no window arrived through MQTT; run again with --verbose and read the log")


app.command()(cli_device.doctor)
app.command()(cli_device.bench)
app.command()(cli_device.notice)
app.command()(cli_device.sbom)
app.command()(cli_fleet.watch)
app.command()(cli_fleet.simulate)


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


def stop_on_signals(daemon: Daemon) -> None:
    """Let SIGTERM and SIGINT take the same path: everything is closed in order and sent."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: daemon.stop())


def main() -> None:
    """Entry point; maps each error type to a sentence on stderr and its exit code."""
    try:
        app()
    except AgentError as error:
        if logging.getLogger().isEnabledFor(logging.DEBUG):
            logging.getLogger(__name__).debug("traceback", exc_info=error)
        for line in str(error).splitlines():
            typer.echo(f"error: {line}", err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _set_up_logging(*, verbose: bool) -> None:
    """Lines to stderr; under systemd with its priority prefix (sd-daemon(3)) instead of a time stamp."""
    level = logging.DEBUG if verbose else logging.INFO
    handler = logging.StreamHandler()
    if "JOURNAL_STREAM" in os.environ:
        handler.setFormatter(_JournalFormatter("%(name)s: %(message)s"))
    else:
        handler.setFormatter(
            logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S")
        )
    logging.basicConfig(level=level, handlers=[handler], force=True)


class _JournalFormatter(logging.Formatter):
    """Starts each line with ``<n>``, the syslog priority that journald understands."""

    _PRIORITIES: Final = {
        logging.DEBUG: 7,
        logging.INFO: 6,
        logging.WARNING: 4,
        logging.ERROR: 3,
        logging.CRITICAL: 2,
    }

    def format(self, record: logging.LogRecord) -> str:
        """One priority for every line of the record, tracebacks included."""
        mark = f"<{self._PRIORITIES.get(record.levelno, 6)}>"
        return "\n".join(mark + line for line in super().format(record).splitlines())


if __name__ == "__main__":
    main()
