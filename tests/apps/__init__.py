"""The apps, served for real."""
