"""Sockets that systemd passes to the process, as sd_listen_fds(3) describes."""

import os
import re
import socket
from collections.abc import MutableMapping

_FIRST_DESCRIPTOR = 3


def inherited_sockets(environ: MutableMapping[str, str]) -> list[socket.socket]:
    """The listening sockets that systemd passed to this process, in its order.

    The variables are removed from ``environ``, so that child processes do not see them. Raises
    ValueError for a descriptor that is no listening TCP socket.
    """
    owner = environ.pop("LISTEN_PID", "")
    count = environ.pop("LISTEN_FDS", "")
    environ.pop("LISTEN_FDNAMES", None)
    if owner != str(os.getpid()) or not re.fullmatch(r"\d{1,4}", count, re.ASCII):
        return []
    return [_listening(_FIRST_DESCRIPTOR + index) for index in range(int(count))]


def _listening(descriptor: int) -> socket.socket:
    try:
        os.set_inheritable(descriptor, False)  # noqa: FBT003, its only parameter
        passed = socket.socket(fileno=descriptor)
        internet = passed.family in {socket.AF_INET, socket.AF_INET6}
        listening = passed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as exc:  # closed, or a file
        raise ValueError(f"descriptor {descriptor}: expected a socket: {exc.strerror}") from exc
    if not (internet and passed.type == socket.SOCK_STREAM and listening):
        passed.close()
        raise ValueError(f"descriptor {descriptor}: expected a TCP socket that listens")
    return passed
