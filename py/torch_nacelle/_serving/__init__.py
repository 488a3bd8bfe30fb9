"""Programs behind servers of others."""
