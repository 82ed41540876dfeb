"""Prediction methods: a file each, with one class that guesses one layer's zero outputs, and the list of them."""
