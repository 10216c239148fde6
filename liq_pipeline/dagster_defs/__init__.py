"""What Dagster sees, one module per concept of Dagster's.

Here belongs wiring: which function of the pipeline runs for which asset, partition, schedule and sensor, and what is
reported about it. The functions themselves live in the other packages, which know no Dagster.
"""
