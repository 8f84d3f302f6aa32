"""The model server that all apps share."""
