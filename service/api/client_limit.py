"""Requests a second of one client: a token bucket for each address, in a table of bounded size."""

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable

from service.api.guards import RequestGuard
from service.api.record import RequestRecord
from service.errors import TooManyRequests
from service.settings import Settings

_MOST_CLIENTS = 10_000
_IPV6_PREFIX = 64  # what one household or machine is given


class ClientLimit:
    """A guard; used from the event loop's thread only."""

    def __init__(
        self,
        per_s: float,
        burst: int,
        clock: Callable[[], float] = time.monotonic,
        most_clients: int = _MOST_CLIENTS,
    ) -> None:
        """Begin with full buckets.

        Args:
            per_s: requests a second, on average.
            burst: requests at once after a pause.
            clock: in seconds.
            most_clients: the one not seen for longest is forgotten beyond that.
        """
        self._per_s = per_s
        self._burst = burst
        self._clock = clock
        self._most_clients = most_clients
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __call__(self, record: RequestRecord) -> None:
        """Take one token of the client's.

        Raises:
            TooManyRequests: it has none, with the time until the next.
        """
        client, now = _address_of(record.client), self._clock()
        tokens, seen = self._buckets.pop(client, (float(self._burst), now))
        tokens = min(self._burst, tokens + (now - seen) * self._per_s)
        allowed = tokens >= 1
        self._buckets[client] = (tokens - allowed, now)
        if len(self._buckets) > self._most_clients:
            self._buckets.popitem(last=False)
        if not allowed:
            wait_s = math.ceil((1 - tokens) / self._per_s)
            raise TooManyRequests("This client sends too many requests: send fewer.", wait_s)


def client_limits(settings: Settings) -> list[RequestGuard]:
    """Return the guard that the settings ask for, if they do."""
    if not settings.client_requests_per_s:
        return []
    return [ClientLimit(settings.client_requests_per_s, settings.client_burst)]


def _address_of(client: str) -> str:
    """Return what stands for a client: its address, of IPv6 the network."""
    if ":" not in client:
        return client
    return str(ipaddress.ip_network((client.partition("%")[0], _IPV6_PREFIX), strict=False))
