"""What trying one file on one backend and device brought: plain data that travels as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, Self, get_args

Outcome = Literal["agrees", "disagrees", "failed", "crashed", "hung", "missing"]
OUTCOMES: Final[tuple[str, ...]] = get_args(Outcome)


@dataclass(frozen=True, slots=True)
class Trial:
    """One row: a network's file on a backend's device."""

    network: str
    """Key in the manifest; empty where the backend as a whole is missing, crashed or hung."""
    backend: str
    device: str
    """"cpu" or an accelerator, in the backend's own lower-case word."""
    precision: str
    outcome: Outcome
    ms: float | None = None
    """Median time of one run; None where it never ran."""
    p95_ms: float | None = None
    agreement: float | None = None
    """See :func:`agent.inference.bundle.reference.agreement`; None where there is nothing to compare with."""
    detail: str = ""
    """Why it can't be used, in one sentence; empty for a good one."""

    def as_json(self) -> dict[str, Any]:
        """For a file or a pipe."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """The reverse of :meth:`as_json`.

        Raises:
            TypeError: Fields are missing, unknown or of the wrong kind.
        """
        trial = cls(**value)
        words = (trial.network, trial.backend, trial.device, trial.precision, trial.detail)
        numbers = (trial.ms, trial.p95_ms, trial.agreement)
        if not all(isinstance(word, str) for word in words) or trial.outcome not in OUTCOMES:
            raise TypeError("a trial's names must be text and its outcome a known one")
        if not all(number is None or isinstance(number, int | float) for number in numbers):
            raise TypeError("a trial's measurements must be numbers")
        return trial
