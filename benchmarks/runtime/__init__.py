"""Devices, worker processes, calls, precision, time per phase, files of tensors."""
