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

#: What comes next: the client sends, the handler works, or the client takes the answer.
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
        self.deadline: asyncio.TimerHandle | None = None

    def forget_deadline(self) -> None:
        """Let the state last."""
        if self.deadline is not None:
            self.deadline.cancel()


class Clients:
    """All connections of a server, ``limit`` at most.

    A host that opens many connections pushes out its own: it is always the oldest waiting one that
    goes, of the host that holds most.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        # Of each host, first the one that has been in its state for longest.
        self._hosts: dict[str, dict[Client, None]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._hosts.values()))

    def __iter__(self) -> Iterator[Client]:
        return iter([client for held in self._hosts.values() for client in held])

    def add(self, client: Client) -> bool:
        """Add a connection that waits for its client; whether another had to go for it."""
        full = len(self) >= self.limit and self.evict() > 0
        self._hosts.setdefault(client.host, {})[client] = None
        self.begin(client, "waiting")
        return full

    def begin(self, client: Client, state: State, unsent: bytes = b"") -> None:
        """Begin a state of a connection that is still there; it is closed if that lasts too long.

        Work has no limit. The event loop's clock measures the others, which never goes back.
        """
        held = self._hosts.get(client.host, {})
        if client not in held:
            return
        held[client] = held.pop(client)
        client.forget_deadline()
        loop = asyncio.get_running_loop()
        client.state, client.since, client.unsent = state, loop.time(), unsent
        if state != "working":
            seconds = CLIENT_SECONDS + len(unsent) / _LEAST_RATE
            client.deadline = loop.call_later(seconds, lambda: client.close())

    def remove(self, client: Client) -> None:
        """Forget a connection. Nothing happens if it is gone already."""
        held = self._hosts.get(client.host, {})
        if client in held:
            client.forget_deadline()
            del held[client]
            if not held:
                del self._hosts[client.host]

    def evict(self, count: int = 1) -> int:
        """Close some that no handler works for, first those that wait. Returns how many it was."""
        return self._close(list(itertools.islice(self._evictable(), count)))

    def bound_unsent(self) -> int:
        """Close those that have been slowest to take their answer while all are too large.

        An answer that several clients are sent is one. Returns how many had to go.
        """
        answering = sorted((client for client in self if client.unsent), key=lambda it: it.since)
        slowest = 0
        while _size(answering[slowest:]) > MAX_UNSENT and slowest < len(answering) - 1:
            slowest += 1
        return self._close(answering[:slowest])

    def _evictable(self) -> Iterator[Client]:
        most_first = sorted(self._hosts.values(), key=len, reverse=True)
        for state in ("waiting", "answering"):
            for held in most_first:
                yield from (client for client in held if client.state == state)

    def _close(self, chosen: list[Client]) -> int:
        for client in chosen:
            client.close()
            self.remove(client)
        return len(chosen)


def _size(answering: list[Client]) -> int:
    return sum({id(client.unsent): len(client.unsent) for client in answering}.values())
