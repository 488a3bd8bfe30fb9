"""Programs held against the models that they were made from."""
