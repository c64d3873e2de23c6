"""Labels of a portal: the names and values that a configuration may have."""

import re

from exporter.config.settings import Labels
from exporter.yamlfile import Section, document, scalars

_MAX_VALUE = 256

_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)

#: Every label of the exporter's own metrics: two labels of one name make a sample invalid.
OWN = frozenset(
    {
        *("portal", "key_id", "key_name", "key_postfix", "creator", "creator_status"),
        *("access", "permissions", "within", "unused_for", "reason", "url", "visibility"),
        *("version", "revision", "python_version"),
    }
)
#: Labels that would be overwritten: Prometheus sets `job` and `instance` on each target,
#: `alertname` and `alertstate` on each alert, and the bundled rules set `severity`. `le` and
#: `quantile` belong to histograms and summaries.
RESERVED = frozenset({"job", "instance", "alertname", "alertstate", "severity", "le", "quantile"})


def read(section: Section, common: Labels) -> Labels:
    """The labels of a portal: those of the section, and ``common`` ones that it does not set."""
    own = {}
    for number, name in enumerate(section.fields, 1):
        shown = document.shown(name, number)
        try:
            check_name(name)
        except ValueError as exc:
            section.problem(shown, str(exc))
            continue
        if not section.has(name):
            section.problem(shown, "expected a value; an empty label is none in Prometheus")
        own[name] = section.take(name, value, "", shown)
    return tuple(sorted((dict(common) | own).items()))


def check_name(name: str) -> None:
    """Raise ValueError("expected …") for a name that a label of a portal must not have."""
    if not _NAME.fullmatch(name):
        raise ValueError("expected a label name of letters, digits and _, not a digit first")
    if name.startswith("__"):
        raise ValueError("expected a label name without __ in front; Prometheus drops those")
    if name in OWN:
        raise ValueError("expected a label name that the exporter's own metrics do not have")
    if name in RESERVED:
        raise ValueError("expected a label name that Prometheus or the alerts do not set")


def value(given: object) -> str:
    """A label's value: a string that is not empty, because Prometheus drops empty labels."""
    if not isinstance(given, str):
        raise ValueError("expected a string; a number needs quotes")  # noqa: TRY004, one error type
    text = scalars.text(given)
    if len(text) > _MAX_VALUE:
        raise ValueError(f"expected at most {_MAX_VALUE} characters")
    return text
