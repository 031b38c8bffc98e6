"""The rules against hoarding: what counts, for how long, and when there is room again."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory_service.config import Settings
from inventory_service.domain.hoarding import Claim, CoolingDown, Holder, Limits, TooManyHolds, TooManySeats
from service_kit.errors import Quota, TooManyRequests

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LIMITS = Limits("guest", holds=3, seats=12, seats_per_showtime=8, abandoned=2, window=15 * MINUTE, cool_down=5 * MINUTE)
PATIENT = replace(LIMITS, abandoned=1_000)
ANN = Holder("guest:ann")


def claim(id_: str, seats: int = 1, minutes: float = 10, showtime: str = "show", now: datetime = NOW) -> Claim:
    return Claim(id_, showtime, seats, now + minutes * MINUTE)


def holding(*claims: Claim, limits: Limits = LIMITS) -> Holder:
    holder = ANN
    for one in claims:
        holder = holder.claim(one, NOW, limits)
    return holder


def gave_up(times: int, now: datetime = NOW, limits: Limits = LIMITS) -> Holder:
    holder = ANN
    for number in range(times):
        holder = holder.claim(claim(f"n{number}", now=now), now, limits).abandon(f"n{number}", now, limits)
    return holder


def test_one_hold_too_many_is_told_with_the_limit_and_the_end_of_the_first_hold() -> None:
    with pytest.raises(TooManyHolds) as refused:
        holding(claim("a"), claim("b", minutes=2.001), claim("c")).claim(claim("d"), NOW, LIMITS)
    assert refused.value.extras == {"limit": "guest-holds", "most": 3, "live": 3}
    assert refused.value.retry_after == 121
    assert refused.value.quota == Quota("guest-holds", 3)


def test_seats_are_counted_over_all_showtimes_and_the_rest_is_told() -> None:
    with pytest.raises(TooManySeats) as refused:
        holding(claim("a", 5, showtime="one"), claim("b", 5, showtime="two")).claim(claim("c", 3), NOW, LIMITS)
    assert refused.value.extras == {"limit": "guest-seats", "most": 12, "live": 10}
    assert refused.value.quota == Quota("guest-seats", 12, remaining=2)


def test_seats_of_one_showtime_have_a_limit_of_their_own() -> None:
    holder = holding(claim("a", 5))
    with pytest.raises(TooManySeats) as refused:
        holder.claim(claim("b", 4), NOW, LIMITS)
    assert refused.value.extras == {"limit": "guest-showtime-seats", "most": 8, "live": 5}
    assert len(holder.claim(claim("b", 4, showtime="other"), NOW, LIMITS).claims) == 2


def test_there_is_room_for_seats_once_enough_holds_have_ended() -> None:
    holder = holding(claim("a", 3, minutes=1), claim("b", 3, minutes=2), claim("c", 2, minutes=3))
    with pytest.raises(TooManySeats) as refused:
        holder.claim(claim("d", 6, showtime="show"), NOW, replace(LIMITS, holds=9))
    assert refused.value.retry_after == 120


def test_a_hold_that_is_counted_already_is_never_refused() -> None:
    holder = holding(claim("a"), claim("b"), claim("c"))
    again = holder.claim(claim("c", minutes=12), NOW, LIMITS)
    assert again.claims["c"].until == NOW + 12 * MINUTE
    assert len(again.claims) == 3


def test_at_the_very_end_of_a_hold_its_seats_count_no_more() -> None:
    holder = holding(claim("a"), claim("b"), claim("c"))
    with pytest.raises(TooManyHolds):
        holder.at(NOW + 9 * MINUTE, PATIENT).claim(claim("d"), NOW + 9 * MINUTE, PATIENT)
    later = NOW + 10 * MINUTE
    assert holder.at(later, PATIENT).claim(claim("d", now=later), later, PATIENT).claims.keys() == {"d"}


def test_an_extended_hold_counts_to_its_new_end() -> None:
    holder = holding(claim("a"), claim("b"), claim("c")).extend("a", NOW + 20 * MINUTE)
    later = NOW + 10 * MINUTE
    assert holder.at(later, PATIENT).claims.keys() == {"a"}


def test_what_is_given_back_or_bought_leaves_no_trace() -> None:
    holder = holding(claim("a"), claim("b"))
    assert holder.give_back("a").buy("b", LIMITS) == ANN


def test_a_step_about_an_unknown_hold_changes_nothing() -> None:
    holder = holding(claim("a"))
    for after in (
        holder.give_back("x"),
        holder.buy("x", LIMITS),
        holder.extend("x", NOW),
        holder.abandon("x", NOW, LIMITS),
    ):
        assert after is holder


def test_one_abandoned_hold_too_many_is_followed_by_a_pause() -> None:
    assert gave_up(2).claim(claim("fine"), NOW, LIMITS)
    with pytest.raises(CoolingDown) as refused:
        gave_up(3).claim(claim("x"), NOW + MINUTE, LIMITS)
    assert refused.value.extras == {"limit": "guest-abandoned", "most": 2, "abandoned": 3, "window_seconds": 900}
    assert refused.value.retry_after == 240
    assert refused.value.quota == Quota("guest-abandoned", 2, 900)
    later = NOW + 5 * MINUTE
    assert gave_up(3).claim(claim("x", now=later), later, LIMITS).claims.keys() == {"x"}


def test_a_hold_that_runs_out_is_abandoned_at_its_end() -> None:
    holder = holding(claim("a", minutes=1), claim("b", minutes=2), claim("c", minutes=3)).at(NOW + 4 * MINUTE, LIMITS)
    with pytest.raises(CoolingDown) as refused:
        holder.claim(claim("d"), NOW + 4 * MINUTE, LIMITS)
    assert refused.value.retry_after == 240  # from the end of the third


def test_while_the_window_remembers_each_further_one_is_followed_by_a_pause_of_its_own() -> None:
    later = NOW + 6 * MINUTE
    holder = gave_up(3).claim(claim("x", now=later), later, LIMITS).abandon("x", later, LIMITS)
    with pytest.raises(CoolingDown):
        holder.claim(claim("y"), later, LIMITS)


def test_what_was_abandoned_before_the_window_is_forgotten() -> None:
    later = NOW + 15 * MINUTE
    holder = gave_up(2).claim(claim("x", now=later), later, LIMITS).abandon("x", later, LIMITS)
    assert holder.abandoned.keys() == {"x"}
    assert holder.claim(claim("y", now=later), later, LIMITS)


def test_a_purchase_that_comes_late_takes_back_the_pause_its_lapse_had_led_to() -> None:
    holder = holding(claim("a", minutes=1), claim("b", minutes=1), claim("c", minutes=1))
    later = NOW + 2 * MINUTE
    lapsed = holder.at(later, LIMITS)
    with pytest.raises(CoolingDown):
        lapsed.claim(claim("d"), later, LIMITS)
    paid = lapsed.buy("c", LIMITS)
    assert paid.claim(claim("d", now=later), later, LIMITS).abandoned.keys() == {"a", "b"}


def test_a_purchase_leaves_the_pause_that_the_others_are_enough_for() -> None:
    holder = replace(gave_up(3), abandoned={**gave_up(3).abandoned, "late": NOW})
    assert holder.buy("late", LIMITS).cooling_until == NOW + 5 * MINUTE


def test_a_holder_is_kept_as_long_as_what_it_abandoned_or_may_yet_abandon_counts() -> None:
    assert ANN.remembered_until(LIMITS) is None
    assert gave_up(1).remembered_until(LIMITS) == NOW + 15 * MINUTE
    assert gave_up(1).claim(claim("x"), NOW, LIMITS).remembered_until(LIMITS) == NOW + 25 * MINUTE
    long_pause = replace(LIMITS, cool_down=20 * MINUTE)
    assert gave_up(1).remembered_until(long_pause) == NOW + 20 * MINUTE


def test_one_value_of_a_kind_of_holder_is_set_without_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARQUEE_TICKET_SECRET", "a secret for tests only")
    default = Settings().guest_limits
    monkeypatch.setenv("MARQUEE_GUEST_LIMITS__HOLDS", "7")
    changed = Settings().guest_limits
    assert changed == default.model_copy(update={"holds": 7})


# --- any history, against a model that remembers everything -----------------------------------------------------------


@dataclass
class Model:
    """Claims as lists that are never tidied, and the pause by its very definition."""

    claims: dict[str, Claim] = field(default_factory=dict)
    given_up: list[datetime] = field(default_factory=list)

    def live(self, now: datetime) -> list[Claim]:
        return [one for one in self.claims.values() if one.until > now]

    def abandoned(self, now: datetime) -> list[datetime]:
        return sorted([*self.given_up, *(one.until for one in self.claims.values() if one.until <= now)])

    def cooling(self, now: datetime) -> bool:
        times = self.abandoned(now)
        return any(
            sum(at - LIMITS.window < other <= at for other in times[: number + 1]) > LIMITS.abandoned
            and now < at + LIMITS.cool_down
            for number, at in enumerate(times)
        )

    def refusal(self, wanted: Claim, now: datetime) -> type[TooManyRequests] | None:
        live = self.live(now)
        if self.cooling(now):
            return CoolingDown
        if len(live) >= LIMITS.holds:
            return TooManyHolds
        here = [one for one in live if one.showtime_id == wanted.showtime_id]
        if sum(one.seats for one in live) + wanted.seats > LIMITS.seats:
            return TooManySeats
        if sum(one.seats for one in here) + wanted.seats > LIMITS.seats_per_showtime:
            return TooManySeats
        return None


steps = st.lists(
    st.one_of(
        st.tuples(st.just("claim"), st.integers(1, 8), st.sampled_from(["one", "two"])),
        st.tuples(st.sampled_from(["abandon", "buy", "give_back", "extend"]), st.integers(0, 5), st.none()),
        st.tuples(st.just("wait"), st.sampled_from([30, 60, 299, 300, 301, 899, 900]), st.none()),
    ),
    max_size=40,
)


@given(steps)
def test_any_history_is_refused_by_the_rules_alone(history: list[tuple[str, int, str | None]]) -> None:
    holder, model, now = ANN, Model(), NOW
    for number, (what, value, showtime) in enumerate(history):
        live, holder = model.live(now), holder.at(now, LIMITS)
        chosen = live[value % len(live)].booking_id if live else ""
        match what:
            case "claim":
                wanted = claim(str(number), value, 5, showtime or "", now)
                refusal = model.refusal(wanted, now)
                if refusal:
                    with pytest.raises(refusal):
                        holder.claim(wanted, now, LIMITS)
                else:
                    holder = holder.claim(wanted, now, LIMITS)
                    model.claims[wanted.booking_id] = wanted
            case "wait":
                now += timedelta(seconds=value)
            case "abandon" if chosen:
                holder = holder.abandon(chosen, now, LIMITS)
                del model.claims[chosen]
                model.given_up.append(now)
            case "extend" if chosen:
                holder = holder.extend(chosen, now + 6 * MINUTE)
                model.claims[chosen] = replace(model.claims[chosen], until=now + 6 * MINUTE)
            case "buy" | "give_back" if chosen:
                holder = holder.buy(chosen, LIMITS) if what == "buy" else holder.give_back(chosen)
                del model.claims[chosen]
    end = max(now, holder.remembered_until(LIMITS) or now)  # forgotten then, nobody can tell
    assert holder.at(end, LIMITS).claim(claim("new", now=end), end, LIMITS).claims.keys() == {"new"}


@given(
    st.lists(st.tuples(st.integers(1, 4), st.integers(1, 600), st.sampled_from(["one", "two"])), max_size=3),
    st.integers(1, 8),
)
def test_who_comes_again_when_he_was_told_to_finds_room_and_not_before(
    held: list[tuple[int, int, str]], wanted: int
) -> None:
    claims = [claim(str(n), seats, seconds / 60, showtime) for n, (seats, seconds, showtime) in enumerate(held)]
    holder = Holder("guest:ann", {one.booking_id: one for one in claims})
    try:
        holder.claim(claim("new", wanted, showtime="one"), NOW, PATIENT)
    except TooManyRequests as refused:
        if refused.retry_after is None:
            raise
        then = NOW + timedelta(seconds=refused.retry_after)
        assert holder.at(then, PATIENT).claim(claim("new", wanted, showtime="one", now=then), then, PATIENT)
        just_before = then - timedelta(milliseconds=1)
        with pytest.raises(TooManyRequests):
            holder.at(just_before, PATIENT).claim(claim("new", wanted, showtime="one"), just_before, PATIENT)
