r"""Parts of the message templates, in Go's template language with Prometheus' functions.

A name may contain anything, even line breaks: `\s+` becomes one space. Any label may be withheld:
the words around an empty label are left out, too.
"""

from urllib.parse import quote

from grafana import shown
from prometheus.settings import Settings, Span

_NAME = r"""{{ with $labels.key_name }} '{{ reReplaceAll "\\s+" " " . }}'{{ end }}"""
#: The key as it is now. If it is not there, as it was last seen: a range costs more.
_INFO = (
    "{{ $found := query (printf `docspace_api_key_info{portal=%q,key_id=%q}`"
    " $labels.portal $labels.key_id) }}"
    "{{ if not $found }}{{ $found = query (printf"
    " `last_over_time(docspace_api_key_info{portal=%q,key_id=%q}[1d])`"
    " $labels.portal $labels.key_id) }}{{ end }}"
    "{{ with $found }}{{ with (first .).Labels }}"
)
_POSTFIX = "{{ with .key_postfix }} (…{{ . }}){{ end }}"

#: ` 'Payroll sync' (…77fe) of Jane Doe`, with the space before it.
KEY_OF_CREATOR = (
    f"{_NAME}{_INFO}{_POSTFIX}{{{{ with .creator }}}} of {{{{ . }}}}{{{{ end }}}}"
    "{{ end }}{{ end }}"
)
#: `Key 'Payroll sync' (…77fe) of Jane Doe on acme`.
KEY_ON_PORTAL = f"Key{KEY_OF_CREATOR} on {{{{ $labels.portal }}}}"
#: ` 'Payroll sync' (…77fe) on acme is refused because its creator Jane Doe was disabled`. The
#: creator's status is looked up, because it may change; a new exporter does not know it yet. For a
#: removed creator the portal shows a placeholder as the name, so the name is left out.
REFUSED_KEY = (
    f"{_NAME}{_INFO}{_POSTFIX} on {{{{ $labels.portal }}}} is refused because its creator"
    '{{ if ne .creator_status "removed" }}{{ with .creator }} {{ . }}{{ end }}{{ end }} was'
    ' {{ if eq .creator_status "unknown" }}disabled or removed{{ else }}{{ .creator_status }}'
    "{{ end }}{{ end }}{{ end }}"
)

#: A duration in its two largest units: `2d 4h`, `3m`.
DURATION = 'humanizeDuration | reReplaceAll "(d [0-9]+h).*" "$1" | reReplaceAll "(m) [0-9]+s$" "$1"'
TIME_LEFT = (
    f"{{{{ if gt $value 0.0 }}}}expires in {{{{ $value | {DURATION} }}}}"
    "{{ else }}has reached its expiry while the portal cannot be read{{ end }}"
)
AGO = f"{{{{ $value | {DURATION} }}}} ago"

_DATE = '{{ (first . | value | toTime).Format "Mon 2 Jan 2006 15:04 MST" }}'


def date(sign: str) -> str:
    """The date that lies the alert's value, in seconds, after (`+`) or before (`-`) now.

    The query has no selector, so it is cheap.
    """
    return f'{{{{ with printf "time() {sign} %.0f" $value | query }}}}{_DATE}{{{{ end }}}}'


#: The newest key and those created in the 3 hours before it, five at most, with their creators.
NAMES_OF_NEW_KEYS = (
    "{{ with printf `topk(5, (docspace_api_key_created_timestamp_seconds{portal=%[1]q}"
    " >= time() - %[2]f - 3 * 3600)"
    " * on (key_id) group_left (key_postfix, creator, access)"
    " topk by (key_id) (1, docspace_api_key_info{portal=%[1]q}))` $labels.portal $value | query }}"
    "New: {{ range $index, $key := sortByLabel `key_id` . }}"
    "{{ if $index }}, {{ end }}"
    r"""{{ with .Labels.key_name }}'{{ reReplaceAll "\\s+" " " . }}' {{ end }}"""
    "(…{{ .Labels.key_postfix }}{{ with .Labels.creator }}, {{ . }}{{ end }}"
    "{{ with .Labels.access }}, {{ . }} access{{ end }}){{ end }}. {{ end }}"
)


def plural(one: str, many: str) -> str:
    """``one`` if the alert's value is 1, else ``many``."""
    return f"{{{{ if eq $value 1.0 }}}}{one}{{{{ else }}}}{many}{{{{ end }}}}"


def newest(selector: str) -> str:
    """PromQL for the series of a selector that was last seen, within a day."""
    return f"topk(1, max_over_time(timestamp({selector})[1d:5m]))"


#: ` 'prometheus' (…9f3c) of Jane Doe`: the exporter's own key of this portal as it was last seen.
OWN_KEY = (
    "{{ with printf "
    f"`{newest('docspace_exporter_key_info{portal=%q}')}` $labels.portal | query }}}}"
    "{{ with printf "
    f"`{newest('docspace_api_key_info{portal=%q,key_id=%q}')}`"
    " $labels.portal (first .).Labels.key_id | query }}"
    "{{ with first . }}"
    r"""{{ with .Labels.key_name }} '{{ reReplaceAll "\\s+" " " . }}'{{ end }}"""
    " (…{{ .Labels.key_postfix }}){{ with .Labels.creator }} of {{ . }}{{ end }}"
    "{{ end }}{{ end }}{{ end }}"
)


def reasons(*labels: str) -> str:
    """` (reason: timeout)`: the errors of the last 10 minutes by reason."""
    selector = ",".join(f"{label}=%q" for label in labels)
    values = " ".join(f"$labels.{label}" for label in labels)
    return (
        "{{ with printf `sum by (reason) (increase(docspace_scrape_errors_total"
        f"{{{selector}}}[10m])) > 0` {values} | query }}}}"
        " (reason: {{ range $index, $error := sortByLabel `reason` . }}"
        "{{ if $index }}, {{ end }}{{ $error.Labels.reason }}{{ end }}){{ end }}"
    )


#: The portal's own page of API keys; empty if its address is not known.
PORTAL_URL = (
    '{{ with printf "docspace_portal_info{portal=%q}" $labels.portal | query }}'
    "{{ (first .).Labels.url }}/developer-tools/api-keys{{ end }}"
)

#: The dashboards of `grafana/`, and two panels of the first: all keys, and unused keys.
KEYS_DASHBOARD = "/d/docspace-api-keys/docspace-api-keys"
KEY_DASHBOARD = "/d/docspace-api-key/docspace-api-key"
EVERY_KEY = 501
UNUSED = 303


def key_links(settings: Settings) -> dict[str, str]:
    """Links of an alert on one key."""
    choice = "var-portal={{ urlquery $labels.portal }}&var-key_id={{ urlquery $labels.key_id }}"
    return {
        "dashboard_url": f"{settings.grafana}{KEY_DASHBOARD}?{choice}",
        "portal_url": PORTAL_URL,
    }


def portal_links(settings: Settings, panel: str = "") -> dict[str, str]:
    """Links of an alert on a portal; `panel` is the end of the dashboard's URL."""
    choice = f"var-portal={{{{ urlquery $labels.portal }}}}{panel}"
    return {
        "dashboard_url": f"{settings.grafana}{KEYS_DASHBOARD}?{choice}",
        "portal_url": PORTAL_URL,
    }


def listed(kind: str) -> str:
    """The part of a dashboard's URL that shows the table of all keys, filtered by ``kind``.

    With the value of the choice: on opening a page, Grafana takes a name for a value.
    """
    return f"&var-show={quote(shown.value(kind), safe='')}&viewPanel={EVERY_KEY}"


def unused(span: Span) -> str:
    """The part of a dashboard's URL that shows the keys without use for ``span``."""
    return f"&var-unused_days={span.seconds // 86_400}&viewPanel={UNUSED}"
