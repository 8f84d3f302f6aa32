"""Finds circular objects in a picture: the network, what it learns from, and how its answers are read."""
