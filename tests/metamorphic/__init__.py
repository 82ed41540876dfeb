"""What must hold between two runs: of more of a resource, of other orders of images, of scaled units."""
