"""Facts as a person sees them: lines, JSON, a page."""
