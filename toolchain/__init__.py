"""Finds or builds what pip cannot install."""
