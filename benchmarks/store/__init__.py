"""The folder of records: what it holds, how it is read, written and joined.

No torch here.
"""
