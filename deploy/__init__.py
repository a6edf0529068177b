"""How it gets to AWS: the template, the package."""
