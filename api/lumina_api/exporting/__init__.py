"""What leaves through REST as a file: rows of the views, page by page, in the format that was asked for."""
