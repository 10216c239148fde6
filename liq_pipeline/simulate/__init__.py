"""Venues on loopback and a market that looks real: frames in today's wire formats, and the truth they tell.

Nothing here uses the adapters: the ledger is an independent statement of what every frame means.
"""
