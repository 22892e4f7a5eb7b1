"""Measures mintgate against the floor that the machine sets and against its peers."""
