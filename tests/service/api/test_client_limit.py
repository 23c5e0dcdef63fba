"""The limit of one client: a token bucket for each address."""

from pathlib import Path

import pytest

from service.api.client_limit import ClientLimit
from service.api.record import RequestRecord
from service.errors import TooManyRequests
from tests.support.images import photo
from tests.support.server import LiveServer, serving, settings_for


class Clock:
    """Goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def asks(limit: ClientLimit, client: str = "10.0.0.1", times: int = 1) -> int:
    """Ask that often; return how often it was allowed."""
    allowed = 0
    for _ in range(times):
        try:
            limit(RequestRecord("id", client=client))
            allowed += 1
        except TooManyRequests:
            pass
    return allowed


def test_a_burst_is_allowed_and_then_the_rate() -> None:
    clock = Clock()
    limit = ClientLimit(2.0, 5, clock)
    assert asks(limit, times=9) == 5
    for _ in range(10):
        clock.now += 0.5
        assert asks(limit, times=3) == 1
    clock.now += 1000
    assert asks(limit, times=9) == 5


def test_the_refusal_says_when_to_come_back() -> None:
    limit = ClientLimit(0.25, 1, Clock())
    assert asks(limit) == 1
    with pytest.raises(TooManyRequests) as caught:
        limit(RequestRecord("id", client="10.0.0.1"))
    assert caught.value.retry_after_s == 4


@pytest.mark.parametrize(
    ("other", "same"),
    [("10.0.0.2", False), ("", False), ("2001:db8:0:1::9", True), ("2001:db8:0:2::1", False)],
)
def test_clients_are_told_apart_by_address_or_ipv6_network(other: str, same: bool) -> None:
    limit = ClientLimit(1.0, 1, Clock())
    first = "2001:db8:0:1::1" if ":" in other else "10.0.0.1"
    assert asks(limit, first, 2) == 1
    assert asks(limit, other) == (0 if same else 1)


def test_a_zone_is_no_part_of_an_address() -> None:
    limit = ClientLimit(1.0, 1, Clock())
    assert asks(limit, "fe80::1%eth0") + asks(limit, "fe80::2%eth1") == 1


def test_the_table_is_bounded_and_forgets_the_client_not_seen_for_longest() -> None:
    limit = ClientLimit(1.0, 1, Clock(), most_clients=3)
    for number in range(3):
        assert asks(limit, f"10.0.0.{number}") == 1
    assert asks(limit, "10.0.0.0") == 0
    assert asks(limit, "10.0.0.9") == 1
    assert asks(limit, "10.0.0.1") == 1  # forgotten
    assert asks(limit, "10.0.0.0") == 0


@pytest.mark.parametrize("plain", [False, True])
def test_a_client_over_its_limit_is_told_so_on_both_ways(repository: Path, plain: bool) -> None:
    settings = settings_for(repository, client_requests_per_s=0.001, client_burst=2)
    with serving(settings, plain=plain) as live:
        assert live.classify(photo()).is_success
        assert live.batch(photo()).is_success
        for refused in (live.classify(photo()), live.classify_raw(photo()), live.batch(photo())):
            assert (refused.status_code, refused.json()["code"]) == (429, "too_many_requests")
            assert 500 <= int(refused.headers["retry-after"]) <= 1000
        assert live.client.get("/models").is_success


def test_without_the_setting_there_is_no_limit(server: LiveServer) -> None:
    assert server.context.guards == []
