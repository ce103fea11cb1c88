"""Gathers everything into one report and hands it out as a table or as JSON."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

from rich.console import Console

from agent.commands.doctor.broker_check import check_broker
from agent.commands.doctor.cameras import find_cameras, judge_sources
from agent.commands.doctor.facts import read_facts
from agent.commands.doctor.formats import examine_formats
from agent.commands.doctor.report import Report
from agent.commands.doctor.table import print_report
from agent.errors import AgentError
from agent.host import try_confinement
from agent.inference.bundle import default_bundle_folder, open_bundle, signature_in_words
from agent.inference.choice import Trial, TrialOptions, make_choice
from agent.settings import AgentSettings, LatencySettings, ModelsSettings

BACKEND_PACKAGES: Final = {
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu"),
    "openvino": ("openvino",),
    "litert": ("ai-edge-litert", "tflite-runtime"),
}


def run_doctor(
    settings: AgentSettings | None,
    *,
    state_dir: Path | None = None,
    reselect: bool = False,
    as_json: bool = False,
    console: Console | None = None,
) -> int:
    """Examine and print.

    Args:
        settings: None examines the box and the bundle that came with the agent.
        state_dir: Where the daemon keeps what it measured; only read.
        reselect: Try the candidates again instead of showing that.
        as_json: One JSON object on stdout instead of the tables.
        console: To print on; stdout by default.

    Returns:
        The exit status: 0, or that of the error which keeps the agent from starting.
    """
    console = console or Console()
    look = partial(examine, settings, state_dir=state_dir, reselect=reselect)
    if as_json or not console.is_terminal:
        report = look()
    else:
        with console.status("trying backends") as status:
            words = "trying backends: {0.backend} {0.precision} {0.network}"
            report = look(say=lambda trial: status.update(words.format(trial)))
    if as_json:
        console.print_json(json.dumps(report.as_json()))
    else:
        print_report(report, console)
    return report.exit_code


def examine(
    settings: AgentSettings | None,
    *,
    state_dir: Path | None = None,
    reselect: bool = False,
    say: Callable[[Trial], None] | None = None,
) -> Report:
    """Look at everything for :func:`run_doctor`; ``say`` takes each new trial.

    The V4L2 cameras of the configuration are tried, and nothing is written.
    """
    models = ModelsSettings() if settings is None else settings.needed_models
    latency = LatencySettings() if settings is None else settings.latency
    bundle_name = str(models.bundle or "the one installed with the agent")
    choice, problem, exit_code, signature = None, "", 0, "not verified"
    try:
        bundle_name = str(models.bundle or default_bundle_folder())
        bundle = open_bundle(models)
        signature = signature_in_words(bundle.signer)
        choice = make_choice(
            bundle,
            models,
            state_dir,
            latency.budget_ms,
            reselect=reselect,
            options=TrialOptions(keep=False, report=say),
        )
    except AgentError as error:
        problem, exit_code = str(error), error.exit_code
    return Report(
        device=read_facts(),
        cameras=find_cameras(),
        sources=() if settings is None else judge_sources(settings.sources),
        formats=() if settings is None else examine_formats(settings.sources),
        camera_process=try_confinement(),
        broker=None if settings is None else check_broker(settings.mqtt),
        backends={backend: _version(packages) for backend, packages in BACKEND_PACKAGES.items()},
        bundle=bundle_name,
        signature=signature,
        budget_ms=latency.budget_ms,
        choice=choice,
        problem=problem,
        exit_code=exit_code,
    )


def _version(packages: tuple[str, ...]) -> str | None:
    for package in packages:
        with suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version(package)
    return None
