"""Models that engines are built from: what they take, what state they keep, and how they are run."""
