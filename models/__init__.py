"""Models: from training to artefact."""

import os

# From 1.29 on ONNX Runtime would tell its maker about each session, and keep an identifier in the user's home.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
