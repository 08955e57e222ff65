"""An alert's life, its evidence and the sentence that it says."""
