"""Trustworthy liquidation data for crypto perpetual futures."""
