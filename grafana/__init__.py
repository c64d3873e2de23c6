"""The Grafana dashboards as code: PromQL pieces, panels, and the two dashboards made of them.

This package knows the names of the metrics and nothing of the exporter's code. It is not part of
the distribution: people import the JSON files beside it. `python -m grafana.dashboard` writes them.
"""
