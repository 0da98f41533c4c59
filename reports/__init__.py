"""Statistics, tables, figures and pages made from a folder of records.

No module here needs torch.
"""
