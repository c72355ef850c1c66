"""What the jobs wrote, in a notebook."""
