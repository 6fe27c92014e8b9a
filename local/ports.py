"""Which port a service listens on."""

import socket

import psutil

from local.errors import LocalError

HOST = "127.0.0.1"


def pick(preferred: list[int]) -> int:
    """Return the first preferred port that is free, or any free one."""
    for port in [*preferred, 0]:
        with socket.socket() as probe:
            # Connections that are closing do not keep a server from listening.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise LocalError(f"no free port on {HOST}: too many connections are open. Try again later.")


def demand(variable: str, value: str) -> int:
    """Return the port that the person has set, if it is one and free."""
    port = parse(variable, value)
    if pick([port]) != port:
        raise LocalError(
            f"{variable}={port}: the port is in use by {_owner(port)}. "
            f"Stop that, or set {variable} to another port or to nothing."
        )
    return port


def parse(variable: str, value: str) -> int:
    """Return a port number from a variable's text."""
    highest = 65535
    if not value.isascii() or not value.isdigit() or not 0 < int(value) <= highest:
        raise LocalError(f"{variable}={value}: not a port. Use a number from 1 to {highest}.")
    return int(value)


def _owner(port: int) -> str:
    """Return the process that listens on a port, as far as we may know."""
    try:
        connections = psutil.net_connections(kind="tcp")
        for each in connections:
            if each.laddr and each.laddr.port == port and each.status == psutil.CONN_LISTEN:
                if each.pid:
                    return f"{psutil.Process(each.pid).name()} (process {each.pid})"
                break
    except psutil.Error:
        pass
    return "another process"
