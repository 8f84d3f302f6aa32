"""Models: from training to artefact."""
