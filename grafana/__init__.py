"""The Grafana dashboards as code: PromQL expressions, panels, and the two dashboards.

The package knows the names of the metrics and imports nothing from the exporter. It is not in the
wheel: users import the JSON files beside it, which `python -m grafana.dashboard` writes.
"""
