"""The plan of a command: studies, training protocols, jobs, and cheap checks."""
