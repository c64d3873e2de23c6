"""HTTP requests to answers.

This package knows paths, headers and status codes. It must not know DocSpace's JSON or the name of
any metric: ``exporter`` and ``metrics`` make the bodies of its answers.
"""
