"""The door for everything that is read: regular files, text, YAML, JSON, tensors and archives, with their limits."""
