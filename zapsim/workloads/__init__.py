"""Layers of networks without masks: built-in shapes, lists in YAML, SCALE-Sim topologies and ONNX files."""
