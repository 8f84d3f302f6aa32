"""Dry or wet roads by published features: what the road app serves where no trained network is registered."""

NAME, VERSION = "road_lite", "1.0.0"
