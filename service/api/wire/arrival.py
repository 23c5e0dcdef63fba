"""When the last bytes of a request arrived: the kernel knows how long they waited to be read."""

import socket
import struct
import sys
from typing import Any

# `struct tcp_info` of linux/tcp.h: eight bytes, then numbers of 32 bits, of which
# `tcpi_last_data_recv` is the twelfth, ms.
_LAST_DATA = struct.Struct("=52xI")


def ms_since_arrival(transport: Any) -> float:
    """Return how long ago the last bytes of a connection arrived, ms; 0 where nobody knows.

    By the kernel's tick: with 250 of them a second it is a multiple of 4 ms, right on average.
    """
    sock = transport.get_extra_info("socket")
    if sys.platform != "linux" or sock is None:
        return 0.0
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _LAST_DATA.size)
    except OSError:  # a Unix socket
        return 0.0
    return float(_LAST_DATA.unpack(info)[0]) if len(info) == _LAST_DATA.size else 0.0
