"""The open connections: how many there may be, how long each may take, which one must go."""

import asyncio
import ipaddress
import itertools
from collections.abc import Callable, Iterator
from typing import Literal

#: Seconds for what a client has to do next: send a request, shake hands, take an answer.
CLIENT_SECONDS = 10.0
#: Bytes a second, beyond those seconds, at which a client must take a long answer.
_LEAST_RATE = 1024 * 1024
#: Bytes of answers that clients have not taken yet, altogether.
MAX_UNSENT = 64 * 1024 * 1024

#: Whose turn it is: the client's to send, the handler's, or the client's to take the answer.
State = Literal["waiting", "working", "answering"]


def host_of(address: str) -> str:
    """What counts as one client: an IPv4 address, or the /64 network that an IPv6 host has."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    return str(ip.ipv4_mapped or ipaddress.ip_network((ip, 64), strict=False))


class Client:
    """One connection, from its acceptance on. ``close`` ends it, whatever its state is."""

    def __init__(self, address: str, close: Callable[[], object]) -> None:
        self.address = address
        self.host = host_of(address)
        self.close = close
        self.state: State = "waiting"
        self.since = 0.0
        self.unsent = b""
        self._deadline: asyncio.TimerHandle | None = None

    def begin(self, state: State, unsent: bytes = b"") -> None:
        """Begin a state. The connection is closed if it does not end in time; work has no limit.

        The event loop's clock measures it, which never goes back.
        """
        self.end()
        loop = asyncio.get_running_loop()
        self.state, self.since, self.unsent = state, loop.time(), unsent
        if state != "working":
            seconds = CLIENT_SECONDS + len(unsent) / _LEAST_RATE
            self._deadline = loop.call_later(seconds, lambda: self.close())

    def end(self) -> None:
        """Forget the deadline."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class Clients:
    """All connections of a server, ``limit`` at most.

    Who opens many connections pushes out their own: it is always the oldest waiting one that goes,
    of the host that holds most.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        # Of each host, first the one that has been in its state for longest.
        self._hosts: dict[str, dict[Client, None]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Client]:
        return iter([client for host in self._hosts.values() for client in host])

    def add(self, client: Client) -> bool:
        """Add a connection that waits for its client; whether another had to go for it."""
        full = self._count >= self.limit and self.evict() > 0
        self._hosts.setdefault(client.host, {})[client] = None
        self._count += 1
        client.begin("waiting")
        return full

    def begin(self, client: Client, state: State, unsent: bytes = b"") -> None:
        """Begin a state of a connection that is still there."""
        held = self._hosts.get(client.host, {})
        if client in held:
            held[client] = held.pop(client)
            client.begin(state, unsent)

    def remove(self, client: Client) -> None:
        """Forget a connection. Nothing happens if it is gone already."""
        held = self._hosts.get(client.host, {})
        if client in held:
            client.end()
            del held[client]
            self._count -= 1
            if not held:
                del self._hosts[client.host]

    def evict(self, count: int = 1) -> int:
        """Close some that no handler works for, first those that wait. Returns how many it was."""
        chosen = list(itertools.islice(self._evictable(), count))
        for client in chosen:
            self._close(client)
        return len(chosen)

    def _evictable(self) -> Iterator[Client]:
        most_first = sorted(self._hosts.values(), key=len, reverse=True)
        for state in ("waiting", "answering"):
            for held in most_first:
                yield from (client for client in held if client.state == state)

    def bound_unsent(self) -> int:
        """Close those that have been slowest to take their answer while all are too large.

        An answer that several clients are sent is one. Returns how many had to go.
        """
        answering = sorted((client for client in self if client.unsent), key=lambda it: it.since)
        closed = 0
        while len(answering) > 1 and _size(answering) > MAX_UNSENT:
            self._close(answering.pop(0))
            closed += 1
        return closed

    def _close(self, client: Client) -> None:
        client.close()
        self.remove(client)


def _size(answering: list[Client]) -> int:
    return sum({id(client.unsent): len(client.unsent) for client in answering}.values())
