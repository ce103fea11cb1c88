"""Child process that tries files on one backend; started by ``trying``.

Reads one request as JSON from stdin and prints JSON lines: the plan, then for each item a line when it
starts and a line when it is done; see ``trial``. Whoever started it can tell from the last line which
file a crash or a hang belongs to. Nothing is written anywhere else.
"""

from __future__ import annotations

import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from agent.errors import AgentError, BackendError, ModelError
from agent.inference.backends import find_devices, load_network
from agent.inference.bundle import (
    LEAST_AGREEMENT,
    Bundle,
    Reference,
    agreement,
    load_reference,
    reference_input,
)
from agent.inference.choice.trial import (
    REQUEST,
    SAID,
    Done,
    Item,
    Missing,
    Plan,
    Request,
    Said,
    Started,
    Trial,
)

if TYPE_CHECKING:
    from agent.inference.network import LoadedNetwork

WARM_UP_RUNS: Final = 3
FEWEST_RUNS: Final = 8
MOST_RUNS: Final = 400


def main() -> None:
    """Serve one request."""
    request = REQUEST.validate_json(sys.stdin.buffer.read(), strict=True)
    bundle = Bundle.load(Path(request.bundle))
    if bundle.sha256 != request.manifest_sha256:
        raise ModelError(f"the manifest in {request.bundle} has changed since it was checked: start again")
    try:
        devices = find_devices(request.backend)
    except BackendError as error:
        _say(Missing(str(error)))
        return
    plan = tuple(Item(device, name, precision) for device in devices for name, precision in request.items)
    _say(Plan(plan))
    reference = load_reference(bundle)
    for index, item in enumerate(plan):
        if index >= request.skip:
            _say(Started(index))
            _say(Done(index, _try(bundle, reference, request, item)))


def _try(bundle: Bundle, reference: Reference | None, request: Request, item: Item) -> Trial:
    outcome = partial(Trial, item.network, request.backend, item.device, item.precision)
    try:
        network = load_network(
            bundle,
            item.network,
            bundle.manifest.networks[item.network],
            backend=request.backend,
            precision=item.precision,
            threads=request.threads,
            device=item.device,
        )
    except AgentError as error:
        return outcome("failed", detail=str(error))
    agreed, detail = _compare(network, reference)
    times_ms = time_runs(network, request.seconds)
    network.network.close()
    return outcome(
        "disagrees" if detail else "agrees",
        ms=round(float(np.median(times_ms)), 4),
        p95_ms=round(float(np.percentile(times_ms, 95)), 4),
        agreement=None if agreed is None else round(agreed, 4),
        detail=detail,
    )


def _compare(network: LoadedNetwork, reference: Reference | None) -> tuple[float | None, str]:
    """Agreement with the reference, and what is wrong with it in words."""
    spec = network.entry.input
    expected = None if reference is None else reference.answers.get(network.name)
    if reference is None or expected is None:
        network.network.input_buffer[...] = 127 * (spec.scale if spec.dtype == "float32" else 1)
        if all(np.isfinite(answer).all() for answer in network.network.run()):
            return None, ""
        return None, "its answers are no finite numbers"
    network.network.input_buffer[...] = reference_input(reference.picture, spec)
    agreed = agreement(network.network.run(), expected)
    if agreed < LEAST_AGREEMENT:
        return agreed, f"its answers differ from the bundle's reference (agreement {agreed:.2f})"
    return agreed, ""


def time_runs(network: LoadedNetwork, seconds: float) -> list[float]:
    """Milliseconds of single runs, for about ``seconds``; the first few are left out."""
    for _ in range(WARM_UP_RUNS):
        network.network.run()
    times_ms: list[float] = []
    end_s = time.perf_counter() + seconds
    while len(times_ms) < FEWEST_RUNS or (len(times_ms) < MOST_RUNS and time.perf_counter() < end_s):
        started_s = time.perf_counter()
        network.network.run()
        times_ms.append(1000.0 * (time.perf_counter() - started_s))
    return times_ms


def _say(message: Said) -> None:
    sys.stdout.buffer.write(SAID.dump_json(message) + b"\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
