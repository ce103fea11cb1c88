"""A day's windows and its total agree after reconciling, and no number is less sure than it was told."""

# ruff: noqa: S311 - seeded draws make the outcome of a statistical test final

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from math import inf, isinf
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.domain import LABELS
from agent.fleet.consistency import Estimate, reconcile, reconcile_day
from agent.fleet.seen import SeenBirth, SeenCounts, SeenDay
from agent.privacy import noise_variance
from agent.privacy.noise import discrete_laplace

estimates = st.builds(Estimate, st.floats(-1e5, 1e5), st.floats(0.0, 1e5))


def around(value: float) -> object:
    return pytest.approx(value, rel=1e-9, abs=1e-3)


@settings(deadline=None)
@given(st.lists(st.one_of(st.none(), estimates), min_size=1, max_size=30), st.one_of(st.none(), estimates))
def test_the_windows_add_up_to_the_total_and_no_variance_grows(
    windows: list[Estimate | None], total: Estimate | None
) -> None:
    """Whatever was withheld or lost."""
    found = reconcile(windows, total)
    assert len(found.windows) == len(windows)
    assert sum(window.value for window in found.windows) == around(found.total.value)
    for told, window in zip([*windows, total], [*found.windows, found.total], strict=True):
        assert window.variance >= 0.0
        assert told is None or window.variance <= told.variance * (1.0 + 1e-9)


@settings(deadline=None)
@given(st.lists(estimates, min_size=1, max_size=30), estimates)
def test_nothing_changes_where_all_agreed_already(windows: list[Estimate], total: Estimate) -> None:
    agreed = Estimate(sum(window.value for window in windows), total.variance)
    found = reconcile(windows, agreed)
    assert [window.value for window in found.windows] == [around(window.value) for window in windows]
    assert found.total.value == around(agreed.value)


@settings(deadline=None)
@given(st.lists(st.integers(-50, 300), min_size=1, max_size=12), st.integers(-50, 3_000), st.integers(1, 9))
def test_no_other_numbers_that_add_up_lie_nearer_to_those_told(
    told: list[int], total: int, ratio: int
) -> None:
    """Least squares, by its normal equations in exact numbers: every part is moved by its variance."""
    variances = [Fraction(1 + index % 3) for index in range(len(told))]
    found = reconcile(
        [Estimate(value, float(variance)) for value, variance in zip(told, variances, strict=True)],
        Estimate(total, float(ratio)),
    )
    pull = Fraction(total - sum(told)) / (sum(variances) + ratio)
    for window, value, variance in zip(found.windows, told, variances, strict=True):
        assert window.value == around(float(value + variance * pull))
    assert found.total.value == around(float(total - ratio * pull))


def test_while_a_window_is_withheld_the_rest_of_the_total_is_its() -> None:
    found = reconcile([Estimate(10.0, 4.0), None], Estimate(13.0, 22.0))
    assert found.windows == (Estimate(10.0, 4.0), Estimate(3.0, 26.0))
    assert found.total == Estimate(13.0, 22.0)


def test_several_withheld_windows_share_the_rest_and_none_is_sure() -> None:
    found = reconcile([None, Estimate(10.0, 4.0), None], Estimate(16.0, 22.0))
    assert [window.value for window in found.windows] == [3.0, 10.0, 3.0]
    assert [isinf(window.variance) for window in found.windows] == [True, False, True]


def test_without_a_total_the_windows_make_one_if_none_is_missing() -> None:
    assert reconcile([Estimate(1.0, 4.0), Estimate(2.0, 4.0)], None).total == Estimate(3.0, 8.0)
    assert reconcile([Estimate(1.0, 4.0), None], None).total == Estimate(1.0, inf)


def test_the_errors_are_as_small_as_stated() -> None:
    """1,000 days of 288 windows at epsilon 1: .7 for the windows and .3 for the total."""
    dice = Random(17)
    each, whole = noise_variance(0.7), noise_variance(0.3)
    squares = [0.0, 0.0]
    for _ in range(1_000):
        # Windows of 0: only noise is left.
        windows = [Estimate(dice.gauss(0.0, each**0.5), each) for _ in range(288)]
        total = Estimate(discrete_laplace(Fraction(3, 10), dice), whole)
        found = reconcile(windows, total)
        squares[0] += found.total.value**2 / 1_000
        squares[1] += found.windows[0].value ** 2 / 1_000
    assert squares[0] == pytest.approx(found.total.variance, rel=0.25)
    assert squares[1] == pytest.approx(found.windows[0].variance, rel=0.25)
    assert found.total.variance**0.5 == pytest.approx(4.65, abs=0.05)


START = datetime(2026, 11, 22, tzinfo=UTC)
BIRTH = SeenBirth.model_validate(
    {
        "policy": {
            "ledger": [
                {"release": "counts", "epsilon": 0.7, "sensitivity": 1},
                {"release": "day", "epsilon": 0.3, "sensitivity": 1},
            ]
        }
    }
)


def told(people: int) -> Mapping[str, object]:
    return {"suppressed": False, "people": people, "counts": dict.fromkeys(LABELS, 0) | {"anger": people}}


def window(seq: int, said: Mapping[str, object], session: str = "s") -> SeenCounts:
    end = START + timedelta(minutes=5 * (seq + 1))
    return SeenCounts.model_validate(
        {"session_id": session, "seq": seq, "window_end": end, "coverage": 1.0, **said}
    )


def day(said: Mapping[str, object], first_seq: int = 3, windows: int = 3) -> SeenDay:
    return SeenDay.model_validate(
        {
            "session_id": "s",
            "seq": 0,
            "day_start": START,
            "day_end": START + timedelta(minutes=15),
            "coverage": 1.0,
            "first_seq": first_seq,
            "windows": windows,
            **said,
        }
    )


def test_a_day_takes_its_own_windows_by_number_and_session() -> None:
    windows = [window(seq, told(10 * seq)) for seq in range(8)]
    others = [window(4, told(999), "another"), window(4, told(888))]
    found = reconcile_day(day(told(140)), [*windows, *others], BIRTH.policy)
    assert set(found) == {"people", *LABELS}
    parts = found["anger"].windows
    assert sum(part.value for part in parts) == pytest.approx(found["anger"].total.value)
    each, whole = noise_variance(0.7), noise_variance(0.3)
    assert parts[0].value == pytest.approx(30.0 + 20.0 * each / (3.0 * each + whole))
    assert found["people"].total.variance == pytest.approx(9.0 * found["anger"].total.variance)


def test_a_suppressed_window_or_total_is_one_that_is_missing() -> None:
    silent = {"suppressed": True, "people": None, "counts": None}
    windows = [window(3, told(30)), window(4, silent), window(5, told(50))]
    found = reconcile_day(day(told(83)), windows, BIRTH.policy)["people"]
    assert [part.value for part in found.windows] == [30.0, 3.0, 50.0]
    assert isinf(reconcile_day(day(silent), windows, BIRTH.policy)["people"].total.variance)


def test_numbers_without_noise_are_not_reconciled() -> None:
    with pytest.raises(ValueError, match="no entry for counts and day"):
        reconcile_day(day(told(3)), [], SeenBirth().policy)
