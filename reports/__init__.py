"""Statistics, tables, figures and pages from a folder of records.

Nothing here needs torch.
"""
