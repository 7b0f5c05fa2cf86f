"""Measuring: what the operator, networks, training and loading cost, and how long they take."""
