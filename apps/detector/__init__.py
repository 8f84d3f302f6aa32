"""Finds circles in pictures."""
