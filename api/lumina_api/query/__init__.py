"""SQL from outside over the views: what a statement may say, and how it is run without harm to its
neighbours.
"""
