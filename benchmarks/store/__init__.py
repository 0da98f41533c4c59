"""The folder of records: its content, and how it is read, written and merged.

This package does not import torch.
"""
