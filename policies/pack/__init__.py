"""What rules are made of: resources as they see them, and what turns a function into a policy."""
