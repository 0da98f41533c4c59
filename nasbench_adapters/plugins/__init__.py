"""Classes of others: of installed packages, and of users' files."""
