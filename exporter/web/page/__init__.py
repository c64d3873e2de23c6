"""The status page: from the portals' last observations to HTML.

``overview`` and ``card`` are the page's content, ``timeline`` is its drawing, ``status`` renders
it. This package sends no requests to portals.
"""
