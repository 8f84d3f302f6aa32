"""The Open Inference Protocol, as KServe speaks it: apps decode and encode, these carry."""
