"""The commands: each a module with a ``run`` that returns the exit code.

A command gets its parsed flags, and puts the packages together for its one purpose.
"""
