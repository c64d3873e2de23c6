"""From an observation to exposition text.

This package knows keys and snapshots. It must not know HTTP or JSON: it imports the
plain types of ``docspace`` (keys, observations, the reasons of errors) and nothing that fetches.
"""
