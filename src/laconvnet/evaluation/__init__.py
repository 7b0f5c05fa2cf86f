"""Judging: how right a network is, how sure that is, and what it gets wrong."""
