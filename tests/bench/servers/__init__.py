"""Other servers of models, beside ours: what each is told, in a file of its own, and the model that all of them run."""
