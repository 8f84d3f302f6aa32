"""What ImageNet classifiers share: labels, preprocessing, and the way their graphs are built."""
