"""What may refuse a request to /classify and /classify/batch before anything else is done for it.

`Context.guards` holds them, in order. `take_in` asks each one, whichever way the request came:
over our own protocol or through the ASGI app. A guard sees method, path, headers and client.
"""

from collections.abc import Callable

from service.api.record import RequestRecord

RequestGuard = Callable[[RequestRecord], None]
"""Returns, or raises the error of `service.errors` that the client is to get."""
