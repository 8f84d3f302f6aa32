"""EfficientNet-Lite0 on ImageNet: what the classifier serves where ResNet50 cannot be had."""

NAME, VERSION = "efficientnet_lite0", "1.0.0"
