"""Times of programs: measured, summed up, drawn."""
