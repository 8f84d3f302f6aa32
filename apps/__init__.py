"""The serving apps."""
