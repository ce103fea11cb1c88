"""The networks that one agent runs, opened by what its configuration or its own trials say."""

from __future__ import annotations

import contextlib
import ctypes
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agent.errors import BackendError, ModelError
from agent.inference.backends import load_network
from agent.inference.bundle import open_bundle
from agent.inference.choice import Choice, TrialOptions, load_pick, make_choice
from agent.settings import NO_CLASSIFIER

if TYPE_CHECKING:
    from agent.inference.bundle import Bundle
    from agent.inference.network import LoadedNetwork
    from agent.settings import AgentSettings

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Networks:
    """What the device runs: the detector at each input size, most accurate first, and the classifier."""

    detectors: tuple[LoadedNetwork, ...]
    classifier: LoadedNetwork | None
    """None when the detector already tells expressions, or nobody asks for them."""
    start_tier: int = 0
    """Index of the detector to begin with."""
    costs: tuple[float, ...] = ()
    """Relative cost of each detector; empty where nothing was measured."""
    signer: str = ""
    """Name and id of the key that signed the bundle; empty where an unsigned one is allowed."""
    signer_id: str = ""
    """The id alone."""

    @property
    def calibrated_floor(self) -> float:
        """Confidence below which an expression is unknown, as calibrated for the network that tells it."""
        return (self.classifier or self.detectors[0]).entry.unknown_below

    @property
    def relative_costs(self) -> tuple[float, ...]:
        """As measured, else the pixels of each input."""
        return self.costs or tuple(
            float(network.entry.input.height_px * network.entry.input.width_px) for network in self.detectors
        )

    def close(self) -> None:
        """Release the runtimes; the last picture that each network saw is blackened."""
        for network in (*self.detectors, self.classifier):
            if network is not None:
                network.network.input_buffer.fill(0)
                network.network.close()


def load_networks(settings: AgentSettings) -> Networks:
    """Verify and open the configured networks.

    Raises:
        ModelError: The bundle or one of its files is missing, altered, of an unknown signer or shape.
        BackendError: No installed backend can run them.
    """
    asked = settings.needed_models
    bundle = open_bundle(asked)

    def load(family: str) -> tuple[LoadedNetwork, ...]:
        return tuple(
            load_network(
                bundle,
                name,
                entry,
                backend=asked.backend,
                precision=asked.precision,
                threads=asked.threads,
            )
            for name, entry in bundle.family(family).items()
        )

    detectors = load(asked.detector)
    single_stage = detectors[0].entry.task == "face_emotion"
    needless = single_stage or asked.classifier == NO_CLASSIFIER
    classifier = None if needless else load(asked.classifier)[0]
    return Networks(detectors, classifier, signer=bundle.signer, signer_id=bundle.signer_id)


def choose_networks(
    settings: AgentSettings, state_dir: Path | None, *, reselect: bool = False, keep: bool = True
) -> tuple[Networks, Choice]:
    """Find out by trying, or remember, what this device runs best, and open it.

    What was remembered and can't be opened, since a driver, a runtime or a file is gone, is found out anew.

    Args:
        settings: May pin backend or precision.
        state_dir: Where the trials are kept from start to start; None keeps nothing.
        reselect: Try again whatever is kept.
        keep: Write new trials down there.

    Raises:
        ModelError: The bundle or one of its files is missing, altered, of an unknown signer or shape.
        BackendError: No installed backend can run them.
    """
    asked, budget_ms = settings.needed_models, settings.latency.budget_ms
    bundle = open_bundle(asked)
    options = TrialOptions(keep=keep)
    choice = make_choice(bundle, asked, state_dir, budget_ms, reselect=reselect, options=options)
    try:
        return _open_choice(bundle, choice, asked.threads), choice
    except (ModelError, BackendError) as error:
        if not choice.cached:
            raise
        logger.warning("the kept backend choice can't be opened (%s): the backends are tried again", error)
    choice = make_choice(bundle, asked, state_dir, budget_ms, reselect=True, options=options)
    return _open_choice(bundle, choice, asked.threads), choice


def _open_choice(bundle: Bundle, choice: Choice, threads: int) -> Networks:
    detectors = tuple(load_pick(bundle, pick, threads) for pick in choice.detectors)
    classifier = None if choice.classifier is None else load_pick(bundle, choice.classifier, threads)
    costs = tuple(pick.ms for pick in choice.detectors if pick.ms is not None)
    _return_free_memory()
    return Networks(
        detectors, classifier, choice.start_tier, costs, signer=bundle.signer, signer_id=bundle.signer_id
    )


def _return_free_memory() -> None:
    """Give back what loading needed; glibc would keep some megabytes of it for the process's whole life."""
    with contextlib.suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)
