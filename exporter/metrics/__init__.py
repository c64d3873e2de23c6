"""From an observation to exposition text.

This room knows what a key is and what time it is. It must not know HTTP or JSON: it imports the
plain types of ``docspace`` (keys, observations, the reasons of errors) and nothing that fetches.
"""
