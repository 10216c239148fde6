"""PostgreSQL and TimescaleDB: the schema, landing, replacing a day, rollups, and what is read back."""
