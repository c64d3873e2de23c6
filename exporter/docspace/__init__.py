"""A portal seen from outside: its key list as typed values, or the one error that says why not.

This room speaks HTTP and DocSpace's JSON. It must not know that metrics exist, nor who asks:
it imports nothing from ``metrics``, ``web`` or ``commands``.
"""
