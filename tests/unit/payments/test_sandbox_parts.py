"""The sandbox's form encoding and its fault dial."""

import pytest

from payment_service.sandbox.failures import StripeFailure
from payment_service.sandbox.faults import Dial, Faults
from payment_service.sandbox.params import created_range, decode, metadata


def test_brackets_nest_and_list() -> None:
    text = b"a=1&metadata[x y]=%C3%A9&expand[]=p&expand[]=q&list[0][k]=v"
    assert decode(text) == {
        "a": "1",
        "metadata": {"x y": "é"},
        "expand": {"0": "p", "1": "q"},
        "list": {"0": {"k": "v"}},
    }


@pytest.mark.parametrize("text", [b"a[b=1", b"[a]=1", b"a=1&a[b]=2", b"\xff=1", b"a=%ff", b"&".join([b"a=1"] * 501)])
def test_parameters_that_can_not_be_read_are_refused(text: bytes) -> None:
    with pytest.raises(StripeFailure) as refused:
        decode(text)
    assert refused.value.status == 400


def test_metadata_is_bounded() -> None:
    assert metadata({"metadata": {"kept": "1", "dropped": ""}}) == {"kept": "1"}
    for wrong in ({"k" * 41: "v"}, {"k": "v" * 501}, {str(number): "v" for number in range(51)}, {"k": {"deep": "v"}}):
        with pytest.raises(StripeFailure):
            metadata({"metadata": wrong})


def test_created_can_bound_a_list_at_both_ends() -> None:
    assert created_range({"created": {"gt": "5", "lte": "9"}}) == (6, 9)
    assert created_range({"created": {"gte": "5", "lt": "9"}}) == (5, 8)
    assert created_range({"created": "7"}) == (7, 7)


def test_a_count_strikes_so_many_times_and_a_share_so_often() -> None:
    dial = Dial()
    dial.set(Faults(drop=2))
    assert [len(dial.departures(0)) for _ in range(3)] == [0, 0, 1]
    dial.set(Faults(drop=0.5))
    kept = sum(len(dial.departures(0)) for _ in range(2000))
    assert 800 < kept < 1200
    dial.set(Faults(drop=1.0))
    assert dial.departures(0) == []


def test_repeats_and_delays_and_reversal() -> None:
    dial = Dial()
    dial.set(Faults(repeat=2, delay_ms=1500))
    assert dial.departures(10) == [11.5] * 3
    dial.set(Faults(reorder=True))
    first, second, third = (dial.departures(100 + pause)[0] for pause in (0, 0.1, 0.2))
    assert first > second > third > 100.2


def test_calls_fail_as_often_as_was_set() -> None:
    dial = Dial()
    assert dial.failing() is None
    dial.set(Faults(fail=1))
    assert [dial.failing(), dial.failing()] == [500, None]
    dial.set(Faults(fail_status=429))
    assert [dial.failing(), dial.failing()] == [429, 429]
    dial.set(Faults(hang_ms=250, hang=1))
    assert [dial.hanging(), dial.hanging()] == [0.25, 0.0]
