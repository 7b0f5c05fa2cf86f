"""Keeping what is held out, out: which pictures a split may not learn from, and sets without them."""
