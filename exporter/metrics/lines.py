"""A row of the catalogue, and its sample lines, which are the same in both formats.

::

    docspace_api_key_active{key_id="6125d7a7-…",key_name="chat-bridge",portal="acme"} 1.0
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Generic, Literal, TypeVar

V = TypeVar("V")

#: The values of a row's own labels, and the value.
Sample = tuple[tuple[str, ...], float]


@dataclass(frozen=True, slots=True)
class Row(Generic[V]):
    """One metric family. ``labels`` come in addition to the labels of its table."""

    name: str
    help: str
    samples: Callable[[V], Iterable[Sample]]
    labels: tuple[str, ...] = ()
    kind: Literal["gauge", "counter", "info"] = "gauge"


@dataclass(frozen=True, slots=True)
class One(Generic[V]):
    """One sample without labels of the row, or none if the value is None."""

    value: Callable[[V], float | None]

    def __call__(self, view: V) -> Iterable[Sample]:
        """The sample, or nothing."""
        number = self.value(view)
        return () if number is None else (((), number),)


def one(value: Callable[[V], float | None]) -> Callable[[V], Iterable[Sample]]:
    """The samples of a row without labels of its own."""
    return One(value)


#: From a subject, and the labels of its table as text and as values, to the lines of a row.
_RowLines = Callable[[V, str, tuple[str, ...]], bytes]


class Table(Generic[V]):
    """Rows with the same subject, such as a key, and the same labels.

    ``constant`` has labels with one value for all subjects; ``varying`` names those whose values
    are given with each subject.
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
        """The lines of each row, empty without a sample; ``values`` are those of ``varying``.

        Raises ValueError if a row yields more or fewer label values than it has labels.
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
    """The lines of a row with one sample, as nearly all rows are: quicker than the general way."""

    def line(subject: V, labels: str, _: tuple[str, ...]) -> bytes:
        number = value(subject)
        return b"" if number is None else f"{name}{labels} {go_number(number)}\n".encode()

    return line


_NOT_FINITE = {"inf": "+Inf", "-inf": "-Inf", "nan": "NaN"}
#: By the number of digits before the decimal point, at most 16 in the repr of a float.
_EXPONENTS = tuple(f"e+{digits - 1:02}" for digits in range(20))


def go_number(value: float | bool) -> str:  # noqa: FBT001, a number like any other
    """A number as Go and prometheus-client format it: with an exponent from a million on."""
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
    """A format string for the labels, sorted by name, and the order of the varying values in it.

    If a name is in both, the varying label is used.
    """
    literals = zip(constant, _escaped(tuple(constant.values())), strict=True)
    texts = {name: f'{name}="{value.replace("%", "%%")}"' for name, value in literals}
    texts |= {name: f'{name}="%s"' for name in varying}
    text = ",".join(texts[name] for name in sorted(texts))
    places = [varying.index(name) for name in sorted(varying)]
    return (f"{{{text}}}" if text else ""), places


def _escaped(values: tuple[str, ...]) -> tuple[str, ...]:
    """The values as they are written between quotes; most need no escape."""
    together = "".join(values)
    if "\\" not in together and '"' not in together and "\n" not in together:
        return values
    return tuple(
        value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"") for value in values
    )
