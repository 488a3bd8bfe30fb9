"""What is measured, and the programs that do it."""
