"""Compares programs with the models that they were made from."""
