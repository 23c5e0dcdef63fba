"""The server: image bytes to labels over HTTP. It never imports torch or onnx."""
