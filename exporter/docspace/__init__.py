"""A portal seen from outside: its key list as typed values, or an error.

This package speaks HTTP and DocSpace's JSON. It must not know metrics or its callers:
it imports nothing from ``metrics``, ``web`` or ``commands``.
"""
