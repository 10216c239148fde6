"""What is said when something breaks or heals: the words, the channels of LIQ_ALERT_URLS, and who got how far.

What counts as broken is for ``dagster_defs`` to say; incidents and the outbox are in ``warehouse/alerting.py``.
"""
