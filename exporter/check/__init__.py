"""The examination of a portal by ``docspace-exporter check``.

``examination`` takes the steps and ends at the first problem; ``findings`` turns a fact into words,
``diagnosis`` holds them. This package prints nothing.
"""
