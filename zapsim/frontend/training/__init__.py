"""Training of predictors, and of networks that run with them."""
