"""What is the matter with a portal: the examination behind ``docspace-exporter check``.

``examination`` takes the steps and ends at the first problem; ``findings`` turns a fact into words,
``diagnosis`` holds them. This package prints nothing.
"""
