"""Energy: actions counted by the engines, times a table of joules per action."""
