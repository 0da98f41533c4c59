"""What architectures cost: counted, looked up in a table, or fitted on one.

No torch here until parameters or multiply-adds are counted.
"""
