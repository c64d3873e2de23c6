"""HTTP requests to answers.

This package knows paths, headers and status codes. It must not know DocSpace's JSON or the name of
any metric: what it serves is made by ``exporter`` and ``metrics``.
"""
