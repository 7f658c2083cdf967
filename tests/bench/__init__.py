"""`make bench`: what the product costs beside floors taken in the same run."""
