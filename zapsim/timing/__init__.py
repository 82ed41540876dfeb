"""Time: array engines per stage, the predictor between the stages, and layers made of both."""
