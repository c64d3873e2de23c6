"""From a snapshot to exposition text.

It must not know HTTP, JSON or the time: of ``docspace`` it imports only plain types (keys,
observations, snapshots, reasons of errors).
"""
