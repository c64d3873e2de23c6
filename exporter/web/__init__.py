"""The front door: HTTP requests to answers.

This room knows paths, headers and status codes. It must not know DocSpace's JSON or the name of
any metric: what it serves is made by ``service`` and ``metrics``.
"""
