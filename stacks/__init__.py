"""Which components a target is made of."""
