"""The guard itself: nothing in a test, or in a program that a test runs, reaches another machine."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from tests.offline.sitecustomize import NetworkUsed

CONNECT = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=1)"


def test_connection_is_refused() -> None:
    with pytest.raises(NetworkUsed, match=r"192\.0\.2\.1"):
        socket.create_connection(("192.0.2.1", 80), timeout=1)


def test_name_look_up_is_refused() -> None:
    with pytest.raises(NetworkUsed, match=r"example\.org"):
        socket.getaddrinfo("example.org", 443)


def test_programs_that_tests_run_are_offline_too() -> None:
    done = subprocess.run([sys.executable, "-c", CONNECT], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "NetworkUsed" in done.stderr


def test_this_machine_can_be_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()
