"""The status page: from the portals' last observations to HTML.

``overview`` and ``card`` hold what the page says, ``timeline`` is its drawing, ``status`` renders
it. This package sends a portal no requests.
"""
