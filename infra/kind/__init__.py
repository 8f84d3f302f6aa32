"""A Kubernetes cluster in containers of this machine, and the registry that it pulls images from."""
