"""What is the matter with a portal: the examination behind ``docspace-exporter check``.

``examination`` takes the steps, each no further than the one before allows; ``findings`` turns a
fact into words, ``diagnosis`` holds them. This room prints nothing.
"""
