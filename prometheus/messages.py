r"""Pieces of the templates of messages, in Go's template language with Prometheus' functions.

A name may hold anything, line breaks too, and any label may be withheld: `\s+` becomes one blank,
and what is missing takes its words with it.
"""

from urllib.parse import quote

from grafana import shown
from prometheus.settings import Settings, Span

_NAME = r"""{{ with $labels.key_name }} '{{ reReplaceAll "\\s+" " " . }}'{{ end }}"""
#: The key as it is now, or, only where it is not there, as it was seen last: a range costs more.
_INFO = (
    "{{ $found := query (printf `docspace_api_key_info{portal=%q,key_id=%q}`"
    " $labels.portal $labels.key_id) }}"
    "{{ if not $found }}{{ $found = query (printf"
    " `last_over_time(docspace_api_key_info{portal=%q,key_id=%q}[1d])`"
    " $labels.portal $labels.key_id) }}{{ end }}"
    "{{ with $found }}{{ with (first .).Labels }}"
)
_POSTFIX = "{{ with .key_postfix }} (…{{ . }}){{ end }}"

#: ` 'Payroll sync' (…77fe) of Jane Doe`, with its blank before it.
KEY_OF_CREATOR = (
    f"{_NAME}{_INFO}{_POSTFIX}{{{{ with .creator }}}} of {{{{ . }}}}{{{{ end }}}}"
    "{{ end }}{{ end }}"
)
#: `Key 'Payroll sync' (…77fe) of Jane Doe on acme`.
KEY_ON_PORTAL = f"Key{KEY_OF_CREATOR} on {{{{ $labels.portal }}}}"
#: ` 'Payroll sync' (…77fe) on acme is refused because its creator Jane Doe was disabled`. What
#: became of the creator is looked up, for it may change; an exporter that was just started does not
#: know it. The name that a portal shows for somebody who was removed is a placeholder.
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
    """The moment that is the alert's value away from now: `+` to come, `-` past.

    A query of a number alone reads no series, so that many alerts cost little.
    """
    return f'{{{{ with printf "time() {sign} %.0f" $value | query }}}}{_DATE}{{{{ end }}}}'


#: What was created within 3 hours before the newest key, five at most, and who made it.
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
    """One of two words by the alert's value."""
    return f"{{{{ if eq $value 1.0 }}}}{one}{{{{ else }}}}{many}{{{{ end }}}}"


def newest(selector: str) -> str:
    """PromQL for that series of a selector which was seen last, within a day."""
    return f"topk(1, max_over_time(timestamp({selector})[1d:5m]))"


#: ` 'prometheus' (…9f3c) of Jane Doe`: the exporter's own key of this portal as it was seen last.
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
    """` (reason: timeout)`: what a portal's fetches failed of in the last 10 minutes."""
    selector = ",".join(f"{label}=%q" for label in labels)
    values = " ".join(f"$labels.{label}" for label in labels)
    return (
        "{{ with printf `sum by (reason) (increase(docspace_scrape_errors_total"
        f"{{{selector}}}[10m])) > 0` {values} | query }}}}"
        " (reason: {{ range $index, $error := sortByLabel `reason` . }}"
        "{{ if $index }}, {{ end }}{{ $error.Labels.reason }}{{ end }}){{ end }}"
    )


#: The list of keys in the portal itself, where its address is known.
PORTAL_URL = (
    '{{ with printf "docspace_portal_info{portal=%q}" $labels.portal | query }}'
    "{{ (first .).Labels.url }}/developer-tools/api-keys{{ end }}"
)

#: The dashboards of `grafana/`, and the panels of the first that list every key and those unused.
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
    """Links of an alert on a portal; `panel` is what follows its name in the dashboard's URL."""
    choice = f"var-portal={{{{ urlquery $labels.portal }}}}{panel}"
    return {
        "dashboard_url": f"{settings.grafana}{KEYS_DASHBOARD}?{choice}",
        "portal_url": PORTAL_URL,
    }


def listed(kind: str) -> str:
    """The part of a dashboard's URL that shows the table of every key with one choice of it.

    By its value, since Grafana takes the name of a choice for its value where a page is opened.
    """
    return f"&var-show={quote(shown.value(kind), safe='')}&viewPanel={EVERY_KEY}"


def unused(span: Span) -> str:
    """The part of a dashboard's URL that shows the keys that were not used for so long."""
    return f"&var-unused_days={span.seconds // 86_400}&viewPanel={UNUSED}"
