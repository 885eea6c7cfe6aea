"""How fast Hotshelf serves, next to its peers and to ONNX Runtime alone."""
