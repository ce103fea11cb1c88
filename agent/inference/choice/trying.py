"""Runs the probe in child processes and turns whatever happens to them into trials."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from agent.host import python_child
from agent.inference.backends import CPU
from agent.inference.choice.trial import (
    REQUEST,
    SAID,
    Done,
    Item,
    Missing,
    Outcome,
    Plan,
    Request,
    Started,
    Trial,
)

PROBE: Final = "agent.inference.choice.probe"
ITEM_TIMEOUT_S: Final = 30.0
"""A child that says nothing for this long is taken for hung; compiling on a slow board takes seconds."""
_CHUNK: Final = 65_536


def probe_backend(request: Request, *, item_timeout_s: float = ITEM_TIMEOUT_S) -> Iterator[Trial]:
    """Try everything a request names, in as many children as it takes; each trial as it is known.

    A crash or a hang costs the item that was running, and a new child goes on behind it; before
    anything ran it costs the whole backend.

    Args:
        request: What to try.
        item_timeout_s: Longest silence of a child.
    """
    while True:
        child = _Child(request, item_timeout_s)
        yield from child.trials()
        if (lost := child.lost_trial()) is None:
            return
        yield lost
        if child.plan is None or child.running is None or child.running + 1 >= len(child.plan):
            return
        request = replace(request, skip=child.running + 1)


@dataclass(slots=True)
class _Child:
    """One run of the probe, and what is known of it."""

    request: Request
    item_timeout_s: float
    plan: tuple[Item, ...] | None = None
    running: int | None = None
    failure: tuple[Outcome, str] | None = None
    last_words: str = ""

    def lost_trial(self) -> Trial | None:
        """The trial that the child could not report itself; None after an orderly end.

        An end between two items, on the way out say, costs nothing that is known already.
        """
        if self.failure is None or (self.plan is not None and self.running is None):
            return None
        item = Item(CPU, "", "")
        if self.plan is not None and self.running is not None:
            item = self.plan[self.running]
        outcome, detail = self.failure
        return Trial(item.network, self.request.backend, item.device, item.precision, outcome, detail=detail)

    def trials(self) -> Iterator[Trial]:
        """What the child brings until it ends, crashes or falls silent."""
        # Errors go into the same pipe, so that nothing else is opened.
        process = python_child(PROBE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            if process.stdin is not None:
                with process.stdin as stream:
                    stream.write(REQUEST.dump_json(self.request))
            for line in self._lines(process):
                trial = self._understand(line)
                if trial is not None:
                    yield trial
            if self.failure is None:
                self._judge_end(process.wait())
        except BrokenPipeError:
            self._judge_end(process.wait())
        finally:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()

    def _lines(self, process: subprocess.Popen[bytes]) -> Iterator[bytes]:
        """Complete lines of the child's output; ends with it, or with silence."""
        if process.stdout is None:
            return
        descriptor = process.stdout.fileno()
        pending = b""
        with selectors.DefaultSelector() as selector:
            selector.register(descriptor, selectors.EVENT_READ)
            deadline_s = time.monotonic() + self.item_timeout_s
            while True:
                if not selector.select(max(0.0, deadline_s - time.monotonic())):
                    self.failure = ("hung", f"it gave no answer for {self.item_timeout_s:g} s")
                    return
                chunk = os.read(descriptor, _CHUNK)
                if not chunk:
                    return
                *lines, pending = (pending + chunk).split(b"\n")
                for line in lines:
                    if line.startswith(b"{"):
                        deadline_s = time.monotonic() + self.item_timeout_s
                    yield line

    def _understand(self, line: bytes) -> Trial | None:
        """Take one message in; what libraries print is kept as last words."""
        try:
            said = SAID.validate_json(line, strict=True)
        except ValueError:
            self.last_words = line.decode("utf-8", "replace").strip()[:200] or self.last_words
            return None
        match said:
            case Plan(plan):
                self.plan = plan
            case Missing(reason):
                self.plan = ()
                return Trial("", self.request.backend, CPU, "", "missing", detail=reason)
            case Started(index):
                self.running = index
            case Done(trial=trial):
                self.running = None
                return trial
        return None

    def _judge_end(self, status: int) -> None:
        if status:
            said = f" ({self.last_words})" if self.last_words else ""
            end = (
                f"was ended by {signal.Signals(-status).name}"
                if status < 0
                else f"ended with status {status}"
            )
            self.failure = ("crashed", f"it {end}{said}")
