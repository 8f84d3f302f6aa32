"""Infrastructure components, one folder a target."""
