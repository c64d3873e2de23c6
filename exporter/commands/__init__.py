"""The commands: each a module with a ``run`` that returns the exit code.

A command gets its flags, parsed, and wires the rooms together for its one purpose.
"""
