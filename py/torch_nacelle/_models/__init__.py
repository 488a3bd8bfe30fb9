"""Models that engines are built from: their inputs, their state, and runs of them."""
