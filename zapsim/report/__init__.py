"""Results for people and for programs: tables in five formats, plots."""
