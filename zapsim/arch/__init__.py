"""Architecture descriptions: frozen, validated values read from YAML."""
