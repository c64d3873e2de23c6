"""What to do about an error of the operating system, for the log."""

import errno
import os
import pwd
from dataclasses import replace
from pathlib import Path

from exporter.httpserver.listen import ListenAddress


def listen_hint(error: OSError, address: ListenAddress) -> str:
    """What to do if an address cannot be listened on; "" if the error needs no hint."""
    if error.errno == errno.EADDRINUSE:
        port = address.port + (1 if address.port < 65535 else -1)
        other = f":{port}" if address.is_every else str(replace(address, port=port))
        return (
            f"another program listens on port {address.port}, maybe `docspace-exporter demo` or "
            f"another exporter: end it, or choose another port with --web.listen-address={other}"
        )
    if error.errno == errno.EACCES:
        return (
            f"this user may not listen on port {address.port}: choose one from 1024 on with "
            "--web.listen-address, or have systemd listen (--web.systemd-socket)"
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return "no network interface has this address: see --web.listen-address"
    return ""


def write_hint(error: OSError, folder: Path) -> str:
    """What to do if no file can be written into a folder; "" if the error needs no hint."""
    if error.errno in {errno.EACCES, errno.EPERM}:
        return (
            f"allow the user {_user()} to write into the folder {folder}; the right to write the "
            "file is not enough, because the file is replaced"
        )
    if error.errno == errno.EROFS:
        return (
            f"{folder} is mounted read-only: in a systemd unit set ReadWritePaths={folder}, in a "
            "container mount a volume there"
        )
    return ""


def _user() -> str:
    """The name of the user of this process; the number if the user has no name."""
    number = os.geteuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
