"""A portal seen from outside: its key list as typed values, or the one error that says why not.

This package speaks HTTP and DocSpace's JSON. It must not know metrics or its callers:
it imports nothing from ``metrics``, ``web`` or ``commands``.
"""
