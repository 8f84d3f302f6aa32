"""AWS: one component a file, wired by ``stacks/aws.py``."""
