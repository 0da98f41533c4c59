"""What a command will do: studies, protocols of training, jobs, and cheap checks."""
