"""Names what a picture shows."""
