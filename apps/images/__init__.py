"""Stores pictures and what was found in them."""
