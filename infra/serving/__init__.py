"""What an app is and how traffic reaches it, rendered for each target."""
