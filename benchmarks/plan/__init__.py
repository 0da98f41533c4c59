"""What a command will do: studies, protocols of final training, jobs, and cheap checks before anything runs."""
