"""Servers that speak the venues' wire protocols, under a test's control."""
