"""Classes of installed packages and of users' files."""
