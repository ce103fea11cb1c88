"""What is asked of the probe, and what it answers: plain data that travels as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from pydantic import TypeAdapter

Outcome = Literal["agrees", "disagrees", "failed", "crashed", "hung", "missing"]


@dataclass(frozen=True, slots=True)
class Item:
    """A file to be tried on a device."""

    device: str
    """"cpu" or an accelerator, in the backend's own lower-case word."""
    network: str
    """Key in the manifest."""
    precision: str


@dataclass(frozen=True, slots=True)
class Request:
    """What to try."""

    bundle: str
    """Folder."""
    backend: str
    threads: int
    seconds: float
    """How long to time each item."""
    items: tuple[tuple[str, str], ...]
    """Network and precision; each is tried on every device of the backend."""
    manifest_sha256: str
    """Of the manifest whose signature was checked; another one is refused."""
    skip: int = 0
    """Items of the plan that an earlier child has dealt with."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One row: a network's file on a backend's device."""

    network: str
    """Key in the manifest; empty where the backend as a whole is missing, crashed or hung."""
    backend: str
    device: str
    """See :class:`Item`."""
    precision: str
    outcome: Outcome
    ms: float | None = None
    """Median time of one run; None where it never ran."""
    p95_ms: float | None = None
    agreement: float | None = None
    """See :func:`agent.inference.bundle.reference.agreement`; None where there is nothing to compare with."""
    detail: str = ""
    """Why it can't be used, in one sentence; empty for a good one."""


@dataclass(frozen=True, slots=True)
class Timed:
    """A trial that agrees and was timed: one that may be chosen."""

    trial: Trial
    ms: float
    """Its median time of one run."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Said first: what will be tried, in this order."""

    plan: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Started:
    """Said before each item; a crash or a hang from here on is its."""

    started: int
    """Its place in the plan."""


@dataclass(frozen=True, slots=True)
class Done:
    """Said after each item."""

    done: int
    trial: Trial


@dataclass(frozen=True, slots=True)
class Missing:
    """Said instead of a plan: the backend can't be used at all."""

    missing: str
    """Why, and how to install it."""


Said = Plan | Started | Done | Missing
REQUEST: Final = TypeAdapter(Request)
SAID: Final[TypeAdapter[Said]] = TypeAdapter(Said)
"""Told apart by their fields, which have no name in common."""
