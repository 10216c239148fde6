"""Healing: what was missed is fetched from the venue's own history, lands like the rest, and is written down.

Knows no venue: those that have a history are in ``exchanges.history``.
"""
