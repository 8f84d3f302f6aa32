"""The modelserve command."""
