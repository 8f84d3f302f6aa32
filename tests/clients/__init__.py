"""Clients of others, unchanged, against apps in processes of their own."""
