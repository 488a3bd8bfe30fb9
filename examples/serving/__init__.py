"""One program behind servers: called directly, by Ray, and by Triton."""
