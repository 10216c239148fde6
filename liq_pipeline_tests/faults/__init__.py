"""The line under attack: what was sent is noted, things break by a seeded schedule, and the tables are judged.

``schedule`` says what breaks when, ``market`` and ``play`` what the venues send, ``ledger`` what was sent to whom,
``line`` runs the processes, ``kinds`` breaks them, ``oracle`` judges, ``run`` does all of it for one seed.
"""
