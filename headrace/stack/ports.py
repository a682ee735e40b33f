"""Ports on this machine's own address: found free by binding, or fixed by the settings and then checked."""

import socket
from collections.abc import Iterable

from headrace.stack.errors import PortBusyError

LOOPBACK = "127.0.0.1"


def free_ports(count: int) -> list[int]:
    """Return that many different free ports of the loopback address."""
    # All are held open together, or the same one could be handed out twice.
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind((LOOPBACK, 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def is_free(port: int) -> bool:
    """Tell whether the port of the loopback address can be bound now."""
    with socket.socket() as probe:
        # As servers do it: a port in TIME_WAIT counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def is_open(port: int, timeout_seconds: float = 0.5) -> bool:
    """Tell whether something accepts connections on the port of the loopback address."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=timeout_seconds):
            return True
    except OSError:
        return False


def is_server_open(server: str, timeout_seconds: float = 1.0) -> bool:
    """Tell whether something accepts connections at `host:port`, anywhere."""
    host, _, port = server.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=timeout_seconds):
            return True
    except OSError:
        return False


def choose_port(fixed: int | None, setting: str, where: str, preferred: Iterable[int] = ()) -> int:
    """Return the fixed port if it is free, else a preferred one that is free, else any free one.

    Args:
        fixed: The port that the settings ask for; None leaves the choice to this function.
        setting: Name of the setting, for the message.
        where: Where the setting stands, for the message.
        preferred: Ports to try first when none is fixed, such as the last run's.

    Raises:
        PortBusyError: The fixed port is taken.
    """
    if fixed is None:
        return next((port for port in preferred if is_free(port)), None) or free_ports(1)[0]
    if is_free(fixed):
        return fixed
    raise PortBusyError(
        f"port {fixed} of {setting} is taken by another process",
        {"expected": f"a free port on {LOOPBACK}", "where": where},
        f"headrace up --set {setting}={free_ports(1)[0]}",
    )
