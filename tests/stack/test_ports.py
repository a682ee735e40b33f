"""Ports: free ones are found by binding, fixed ones are checked."""

import socket
from pathlib import Path

import pytest

from headrace.stack.errors import PortBusyError
from headrace.stack.ports import LOOPBACK, choose_port, free_ports, is_free, is_open


def test_free_ports_are_all_different_and_free() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
    assert all(is_free(port) and not is_open(port) for port in ports)


def test_a_fixed_port_that_is_taken_is_an_error_that_says_where_it_was_fixed_and_what_to_type(tmp_path: Path) -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortBusyError) as raised:
            choose_port(port, "kafka.port", str(tmp_path / "headrace.yaml"))
    *lines, next_step = str(raised.value).splitlines()
    assert lines == [
        f"port {port} of kafka.port is taken by another process",
        "  expected:  a free port on 127.0.0.1",
        f"  where:     {tmp_path}/headrace.yaml",
    ]
    proposed = next_step.removeprefix("  try:       headrace up --set kafka.port=")
    assert is_free(int(proposed))


def test_a_fixed_port_that_is_free_is_taken() -> None:
    (port,) = free_ports(1)
    assert choose_port(port, "kafka.port", "headrace.yaml") == port


def test_the_port_of_the_last_run_is_preferred_while_it_is_free() -> None:
    (port,) = free_ports(1)
    assert choose_port(None, "kafka.port", "headrace.yaml", [port]) == port
    with socket.create_server((LOOPBACK, port)):
        assert choose_port(None, "kafka.port", "headrace.yaml", [port]) != port
