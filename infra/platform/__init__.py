"""What goes into any Kubernetes cluster, whoever made it."""
