"""What a scrape costs, against the portal's own answer and against other exporters.

Portal, exporter and client are processes of their own on loopback, and what is compared is measured
in turn: a noisy machine slows both. CPU and ratios of one run count, single times do not.
"""
