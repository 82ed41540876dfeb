"""Row-stationary arrays: Eyeriss."""
