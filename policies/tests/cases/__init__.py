"""Cases by subject: each module has ``CASES``."""
