"""Arguments of commands, as a person writes them: tensors, models, destinations."""
