"""The documentation held against the program: every command of README and of the pages in docs/."""
