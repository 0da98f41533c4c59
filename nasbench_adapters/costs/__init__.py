"""Costs of architectures: counted, looked up in a table, or fitted on a table.

torch is imported only to count parameters or multiply-adds.
"""
