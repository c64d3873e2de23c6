"""A row of the catalogue, and its sample lines: the same in both formats, and prometheus-client's.

::

    docspace_api_key_active{key_id="6125d7a7-…",key_name="chat-bridge",portal="acme"} 1.0
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Generic, Literal, TypeVar

V = TypeVar("V")

#: The values of a row's own labels, and a number.
Sample = tuple[tuple[str, ...], float]


@dataclass(frozen=True, slots=True)
class Row(Generic[V]):
    """One metric family. ``labels`` are those beside the labels of its table."""

    name: str
    help: str
    samples: Callable[[V], Iterable[Sample]]
    labels: tuple[str, ...] = ()
    kind: Literal["gauge", "counter", "info"] = "gauge"


@dataclass(frozen=True, slots=True)
class One(Generic[V]):
    """Samples of a row without labels of its own: one value, or none where it is None."""

    value: Callable[[V], float | None]

    def __call__(self, view: V) -> Iterable[Sample]:
        """The sample, if there is one."""
        number = self.value(view)
        return () if number is None else (((), number),)


def one(value: Callable[[V], float | None]) -> Callable[[V], Iterable[Sample]]:
    """Samples of a row without labels of its own."""
    return One(value)


#: From a subject, and its shared labels as text and as values, to the lines of a row.
_RowLines = Callable[[V, str, tuple[str, ...]], bytes]


class Table(Generic[V]):
    """Some rows, for subjects that share labels.

    ``constant`` are labels that have one value for all subjects; ``varying`` names those whose
    values come with each subject.
    """

    def __init__(
        self,
        rows: Sequence[Row[V]],
        constant: Mapping[str, str],
        varying: tuple[str, ...] = (),
    ) -> None:
        self._labels = _template(constant, varying)[0]
        self._rows = [_row_lines(row, constant, varying) for row in rows]

    def lines(self, subject: V, values: tuple[str, ...] = ()) -> list[bytes]:
        """The lines of each row, empty where it has no sample; ``values`` are of ``varying``.

        Raises ValueError where a row yields more or fewer label values than it has labels.
        """
        escaped = _escaped(values)
        labels = self._labels % escaped
        return [lines(subject, labels, escaped) for lines in self._rows]


def _row_lines(
    row: Row[V], constant: Mapping[str, str], varying: tuple[str, ...]
) -> "_RowLines[V]":
    name, samples, count = row.name, row.samples, len(row.labels)
    if isinstance(samples, One) and not count:
        return _one_line(name, samples.value)
    labels, places = _template(constant, varying + row.labels)
    template = f"{name}{labels} %s\n"
    in_order = itemgetter(*places, len(varying) + count)

    def lines(subject: V, _: str, shared: tuple[str, ...]) -> bytes:
        text = ""
        for values, number in samples(subject):
            if len(values) != count:
                raise ValueError(f"{name}: expected {count} label values, got {len(values)}")
            line = template % in_order((*shared, *_escaped(values), go_number(number)))
            text += line
        return text.encode()

    return lines


def _one_line(name: str, value: Callable[[V], float | None]) -> "_RowLines[V]":
    """What nearly all rows are, by a shorter way."""

    def line(subject: V, labels: str, _: tuple[str, ...]) -> bytes:
        number = value(subject)
        return b"" if number is None else f"{name}{labels} {go_number(number)}\n".encode()

    return line


_NOT_FINITE = {"inf": "+Inf", "-inf": "-Inf", "nan": "NaN"}
#: By the digits before the decimal point, of which a float's repr has 16 at most.
_EXPONENTS = tuple(f"e+{digits - 1:02}" for digits in range(20))


def go_number(value: float | bool) -> str:  # noqa: FBT001, a number like any other
    """A number as Go and prometheus-client write it: with an exponent from a million on."""
    if value == 1:
        return "1.0"
    if value is False:
        return "0.0"
    text = repr(float(value))
    dot = text.find(".")
    if dot > 6 and text[0] != "-":
        return (text[0] + "." + text[1:dot] + text[dot + 1 :]).rstrip("0.") + _EXPONENTS[dot]
    return _NOT_FINITE.get(text, text)


def _template(constant: Mapping[str, str], varying: tuple[str, ...]) -> tuple[str, list[int]]:
    """A format string for the labels, sorted by name, and which of the values each place takes.

    Where a name is in both, the varying label is the one.
    """
    literals = zip(constant, _escaped(tuple(constant.values())), strict=True)
    texts = {name: f'{name}="{value.replace("%", "%%")}"' for name, value in literals}
    texts |= {name: f'{name}="%s"' for name in varying}
    text = ",".join(texts[name] for name in sorted(texts))
    places = [varying.index(name) for name in sorted(varying)]
    return (f"{{{text}}}" if text else ""), places


def _escaped(values: tuple[str, ...]) -> tuple[str, ...]:
    """The values as they stand between quotes; hardly any has something to escape."""
    together = "".join(values)
    if "\\" not in together and '"' not in together and "\n" not in together:
        return values
    return tuple(
        value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"") for value in values
    )
