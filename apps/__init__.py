"""The serving apps."""

VERSION = "0.1.0"
"""Of the project; an image has the code without the metadata of an installation."""
