"""Says whether a text speaks well or badly of something."""
