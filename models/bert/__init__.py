"""The networks that BERT (arXiv 1810.04805) began, as ONNX graphs made from published safetensors."""
