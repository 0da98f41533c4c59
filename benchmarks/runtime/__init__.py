"""The machine: devices, worker processes, calls, precision, phases and counts, files of tensors."""
