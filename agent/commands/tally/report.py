"""What a tally says at its end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from agent.commands.tally.advice import advice
from agent.commands.tally.compare import AIM, FEW_PEOPLE, PAIRED_WITHIN_S

if TYPE_CHECKING:
    from agent.commands.tally.compare import Comparison
    from agent.commands.tally.scene import Scene


def lines(found: Comparison | None, scene: Scene) -> Iterator[str]:
    """The report, line by line."""
    by_hand = 0 if found is None else found.by_hand
    yield f"counted by hand       {by_hand}"
    yield f"counted by the agent  {len(scene.tracks)}"
    if found is None:
        yield "Nobody was counted by hand, so there is nothing to compare."
    else:
        yield f"ratio                 {found.ratio:.2f}   (95 %: {found.low:.2f} to {found.high:.2f})"
        yield from _how_sure(found)
    told = advice(scene)
    if found is not None and not told:
        agrees = found.low <= 1.0 <= found.high
        told = [
            "Nothing: the counts agree as far as this many people can tell."
            if agrees
            else "What was seen doesn't say why the counts differ: count again, and watch which people it is."
        ]
    yield from ("what to change:", *(f"  - {sentence}" for sentence in told)) if told else ()


def _how_sure(found: Comparison) -> Iterator[str]:
    if found.pairs is None:
        yield "People came too close to one another to pair a key press with a track."
    else:
        yield (
            f"by both, within {PAIRED_WITHIN_S:.0f} s  {found.pairs}; by hand alone"
            f" {found.by_hand - found.pairs}, by the agent alone {found.by_agent - found.pairs}"
        )
    more, goal = found.wanting, f"within {100.0 * (AIM - 1.0):.0f} %"
    if found.by_hand < FEW_PEOPLE:
        yield f"These are few people, so the interval is wide: count {FEW_PEOPLE} or more."
    if more is None:
        yield f"How many more people it takes to know the ratio {goal} can't be told yet."
    elif more:
        yield f"About {more} more people are needed to know the ratio {goal}."
