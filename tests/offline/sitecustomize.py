"""Python imports this at start when it is on PYTHONPATH: programs run by the tests are offline too."""

from __future__ import annotations

import os
import socket
from typing import Any

ALLOWED = "LIGHTUNE_TESTS_MAY_FETCH"  # set only while a fixture fetches a pinned package
LOCAL = {"localhost", "127.0.0.1", "::1", "0.0.0.0", "", None}


class NetworkUsed(AssertionError):
    """Something tried to reach another machine. An AssertionError, so that no `except OSError` hides it."""


def is_local(address: Any) -> bool:
    """Whether a socket address stays on this machine: a Unix socket's path, or a loopback host."""
    return not isinstance(address, tuple) or address[0] in LOCAL


def forbid_network() -> None:
    """Make every connection and name look-up beyond this machine raise `NetworkUsed`."""
    connect, connect_ex, look_up = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def require_local(address: Any) -> None:
        if not is_local(address) and ALLOWED not in os.environ:
            raise NetworkUsed(f"no test may use the network: connection to {address}")

    def local_connect(self: socket.socket, address: Any) -> None:
        require_local(address)
        connect(self, address)

    def local_connect_ex(self: socket.socket, address: Any) -> int:
        require_local(address)
        return connect_ex(self, address)

    def local_look_up(host: Any, *rest: Any, **named: Any) -> Any:
        require_local((host,))
        return look_up(host, *rest, **named)

    socket.socket.connect = local_connect  # type: ignore[method-assign,assignment]
    socket.socket.connect_ex = local_connect_ex  # type: ignore[method-assign,assignment]
    socket.getaddrinfo = local_look_up


forbid_network()
